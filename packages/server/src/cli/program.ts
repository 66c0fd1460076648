import { addCompletion } from "@postern/shared/terminal/commands/completion";
import { withHelp } from "@postern/shared/terminal/commands/help";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { Command } from "commander";
import type { LogLevel } from "../records/log-level.js";
import { version } from "../version.js";
import { addApiKeys } from "./apikeys/commands.js";
import { addCallbacks } from "./callbacks/commands.js";
import { addConfig } from "./config/commands.js";
import { serverOptions } from "./config/options.js";
import { reread, settleBefore, withOptions } from "./config/resolve.js";
import { addIdentity } from "./identity/commands.js";
import { addKeeping } from "./keeping/commands.js";
import { addMail } from "./mail/commands.js";
import { manual } from "./manual.js";
import { addPeople } from "./people/commands.js";
import { addRunning } from "./running/commands.js";
import { withStoreOptions } from "./store-options.js";
import { addTokens } from "./tokens/commands.js";

/** The commands of `posternd`. What a command does is imported when it runs. */
export function buildProgram(output: Output): Command {
  const program = new Command("posternd")
    .description("The Postern two-factor authentication server, and its operator's tools.")
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .hook("preAction", async (_program, command) => {
      for (const warning of await settleBefore(command)) output.warn(say`${warning}`);
    });

  withOptions(withStoreOptions(program.command("start")), serverOptions)
    .description("open the store and serve; on a terminal, make the store when there is none")
    .action(async (_options: object, command: Command) => {
      const { startCommand } = await import("./start.js");
      const logLevel = async () => (await reread(command, "log-level")).value as LogLevel;
      await startCommand(output, command.optsWithGlobals(), { logLevel });
    });

  addPeople(program, output);
  addAudit(program, output);
  addStretch(program, output);
  addSigningKey(program, output);
  addTokens(program, output);
  addApiKeys(program, output);
  addCallbacks(program, output);
  addIdentity(program, output);
  addKeeping(program, output);
  addMail(program, output);
  addConfig(program, output);
  addRunning(program, output);
  addCompletion(program, output);
  return withHelp(program, manual);
}

function addAudit(program: Command, output: Output): void {
  const audit = program.command("audit").description("the audit log");
  withStoreOptions(audit.command("list"))
    .description("print it, oldest first")
    .option("--node <name>", "only what this node wrote; `store` for operators' commands")
    .option("--user <name>", "only of this person: a name, or an account's id (acc_…)")
    .option("--application <id>", "only what this application did: its id (app_…)")
    .option("--subject <text>", "only of whom an application means by this")
    .option("--event <names>", "only these events, with commas between them; * for any characters (login.*)")
    .option("--since <time>", "only from this date or time (UTC) on, or for so long: 30m, 24h, 7d")
    .option("--until <time>", "only before this date, time or span")
    .option("--limit <n>", "only the last n of these entries", "50")
    .action(async (_options: object, command: Command) => {
      const { auditListCommand } = await import("./audit.js");
      await auditListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(audit.command("verify"))
    .description("check that no entry was edited, removed, reordered or cut off; with a file, without a store")
    .argument("[file]", "an exported log, or - for stdin")
    .option("--checkpoint <file>", "check that nothing is gone or changed since this checkpoint was taken")
    .option("--public-key <key>", "the audit key, as `posternd audit key` printed it")
    .action(async (file: string | undefined, _options: object, command: Command) => {
      const { auditVerifyCommand } = await import("./audit-evidence.js");
      await auditVerifyCommand(output, file, command.optsWithGlobals());
    });
  withStoreOptions(audit.command("export"))
    .description("write it as JSON lines that end with a signed checkpoint")
    .argument("[file]", "a new file, or - for stdout", "-")
    .option("--checkpoint-only", "write the checkpoint alone, to be kept elsewhere")
    .option("--force", "replace the file if there is one")
    .action(async (file: string, _options: object, command: Command) => {
      const { auditExportCommand } = await import("./audit-evidence.js");
      await auditExportCommand(output, file, command.optsWithGlobals());
    });
  withStoreOptions(audit.command("key"))
    .description("print the public key that its checkpoints are signed with, to be kept elsewhere")
    .action(async (_options: object, command: Command) => {
      const { auditKeyCommand } = await import("./audit.js");
      await auditKeyCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(audit.command("prune"))
    .description("remove its oldest entries for good")
    .requiredOption("--older-than <days>", "those that are older, such as 365d")
    .option("--yes", "do not ask")
    .action(async (_options: object, command: Command) => {
      const { auditPruneCommand } = await import("./audit.js");
      await auditPruneCommand(output, command.optsWithGlobals());
    });
}

function addStretch(program: Command, output: Output): void {
  const stretch = program.command("stretch").description("how clients stretch passwords (Argon2id)");
  withStoreOptions(stretch.command("show"))
    .description("print the generations in use, and how many accounts are on each")
    .action(async (_options: object, command: Command) => {
      const { stretchShowCommand } = await import("./stretch.js");
      await stretchShowCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(stretch.command("raise [generation]"))
    .description("stretch new passwords more; the others follow at their next login")
    .action(async (generation: string | undefined, _options: object, command: Command) => {
      const { stretchRaiseCommand } = await import("./stretch.js");
      const given = generation === undefined ? {} : { generation };
      await stretchRaiseCommand(output, { ...command.optsWithGlobals(), ...given });
    });
}

function addSigningKey(program: Command, output: Output): void {
  const signingKey = program.command("signing-key").description("the keys that sign tokens for other services");
  withStoreOptions(signingKey.command("list"))
    .description("print those that are published, oldest first")
    .action(async (_options: object, command: Command) => {
      const { signingKeyListCommand } = await import("./signing-key.js");
      await signingKeyListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(signingKey.command("rotate"))
    .description("publish the next key, which signs a quarter of an hour later")
    .option("--now", "after a theft: remove all keys, and sign with a new one at once")
    .option("--yes", "with --now: do not ask for confirmation")
    .action(async (_options: object, command: Command) => {
      const { signingKeyRotateCommand } = await import("./signing-key.js");
      await signingKeyRotateCommand(output, command.optsWithGlobals());
    });
}
