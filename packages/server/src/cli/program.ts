import type { Output } from "@postern/shared/terminal/output";
import { Command, Option } from "commander";
import { version } from "../version.js";
import { addKeeping } from "./keeping/commands.js";
import { withStoreOptions } from "./store-options.js";

/** The commands of `posternd`. What a command does is imported when it runs. */
export function buildProgram(output: Output): Command {
  const program = new Command("posternd")
    .description("The Postern two-factor authentication server, and its operator's tools.")
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });

  withStoreOptions(program.command("start"))
    .description("open the store and serve; on a terminal, make the store when there is none")
    .option("--init", "make the store when there is none")
    .addOption(
      new Option("--listen <host:port>", "where clients connect").env("POSTERND_LISTEN").default("127.0.0.1:7465"),
    )
    .addOption(
      new Option("--http <host:port|off>", "where the HTTPS port listens")
        .env("POSTERND_HTTP")
        .default("127.0.0.1:7466"),
    )
    .addOption(
      new Option("--registration <mode>", "who may register")
        .choices(["open", "closed"])
        .env("POSTERND_REGISTRATION")
        .default("open"),
    )
    .addOption(new Option("--public-url <url>", "where other services reach the HTTPS port").env("POSTERND_PUBLIC_URL"))
    .addOption(
      new Option("--address-limits <off|ranges>", "which addresses have no limits of their own").env(
        "POSTERND_ADDRESS_LIMITS",
      ),
    )
    .addOption(
      new Option("--audit-retention <days>", "how long audit entries are kept, such as 365d; for good by default").env(
        "POSTERND_AUDIT_RETENTION",
      ),
    )
    .addOption(
      new Option("--log-level <level>", "how much is logged")
        .choices(["error", "warn", "info", "debug"])
        .env("POSTERND_LOG_LEVEL")
        .default("info"),
    )
    .addOption(
      new Option("--log-format <format>", "how it is logged; pretty on a terminal, else json")
        .choices(["pretty", "json"])
        .env("POSTERND_LOG_FORMAT"),
    )
    .action(async (_options: object, command: Command) => {
      const { startCommand } = await import("./start.js");
      await startCommand(output, command.optsWithGlobals());
    });

  addAudit(program, output);
  addStretch(program, output);
  addSigningKey(program, output);
  addKeeping(program, output);
  return program;
}

function addAudit(program: Command, output: Output): void {
  const audit = program.command("audit").description("the audit log");
  withStoreOptions(audit.command("list"))
    .description("print it, oldest first")
    .option("--user <name>", "only of this person: a name, or an account's id (acc_…)")
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
