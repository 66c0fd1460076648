import type { Output } from "@postern/shared/terminal/output";
import { type Command, Option } from "commander";

/** The commands by which people look after their account; all but `passwd` take the session of this machine. */
export function addAccountCommands(program: Command, output: Output): void {
  addPasswd(program, output);
  addSessions(program, output);
  addDevices(program, output);
  addFactors(program, output);
  addRecovery(program, output);

  freshCode(program.command("account").description("your account itself").command("delete"))
    .description("delete the account of this session, and all that belongs to it")
    .option("--yes", "do not ask to type the name")
    .action(async (_options: object, command: Command) => {
      const { accountDeleteCommand } = await import("./deletion.js");
      await accountDeleteCommand(output, command.optsWithGlobals());
    });
}

function addPasswd(program: Command, output: Output): void {
  program
    .command("passwd [name]")
    .description("change the password; other sessions and devices end")
    .option("--password-file <file>", "read the old password from a file, or from a line of stdin with -")
    .option("--new-password-file <file>", "read the new password from a file, or from a line of stdin with -")
    .option("--code <code>", "the authenticator's code, or a recovery code")
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { passwdCommand } = await import("./passwd.js");
      await passwdCommand(output, name, command.optsWithGlobals());
    });
}

function addSessions(program: Command, output: Output): void {
  const session = program.command("session").description("where you are logged in");
  session
    .command("list")
    .description("list your sessions")
    .action(async (_options: object, command: Command) => {
      const { sessionListCommand } = await import("./sessions.js");
      await sessionListCommand(output, command.optsWithGlobals());
    });
  session
    .command("revoke [id]")
    .description("end one, by its id or the beginning of that")
    .option("--others", "end all but the one of this machine")
    .action(async (id: string | undefined, _options: object, command: Command) => {
      const { sessionRevokeCommand } = await import("./sessions.js");
      await sessionRevokeCommand(output, id, command.optsWithGlobals());
    });
}

function addDevices(program: Command, output: Output): void {
  const device = program.command("device").description("the devices that the server knows you by");
  device
    .command("list")
    .description("list them")
    .action(async (_options: object, command: Command) => {
      const { deviceListCommand } = await import("./devices.js");
      await deviceListCommand(output, command.optsWithGlobals());
    });
  freshCode(device.command("forget [id]"))
    .description("make one a stranger, by its id or the beginning of that; its sessions live on")
    .option("--others", "forget all but this one")
    .action(async (id: string | undefined, _options: object, command: Command) => {
      const { deviceForgetCommand } = await import("./devices.js");
      await deviceForgetCommand(output, id, command.optsWithGlobals());
    });
}

function addFactors(program: Command, output: Output): void {
  const factor = program.command("factor").description("your authenticators");
  freshCode(factor.command("list"))
    .description("list them")
    .action(async (_options: object, command: Command) => {
      const { factorListCommand } = await import("./factors.js");
      await factorListCommand(output, command.optsWithGlobals());
    });
  freshCode(factor.command("add"))
    .description("add one; in scripts its first code is a line of stdin")
    .option("--hotp", "its codes go by a counter, not by time")
    .option("--label <label>", "what you call it")
    .addOption(new Option("--algorithm <name>", "the hash (default: SHA1)").choices(["SHA1", "SHA256", "SHA512"]))
    .addOption(new Option("--digits <n>", "how many a code has (default: 6)").choices(["6", "7", "8"]))
    .option("--period <seconds>", "how long a code lasts (default: 30)")
    .action(async (_options: object, command: Command) => {
      const { factorAddCommand } = await import("./factors.js");
      await factorAddCommand(output, command.optsWithGlobals());
    });
  freshCode(factor.command("remove [id-or-label]"))
    .description("remove one, by its label, or its id or the beginning of that")
    .option("--yes", "do not ask whether to")
    .action(async (typed: string | undefined, _options: object, command: Command) => {
      const { factorRemoveCommand } = await import("./factors.js");
      await factorRemoveCommand(output, typed, command.optsWithGlobals());
    });
}

function addRecovery(program: Command, output: Output): void {
  const recovery = program.command("recovery").description("your recovery codes");
  recovery
    .command("status")
    .description("tell how many are left")
    .action(async (_options: object, command: Command) => {
      const { recoveryStatusCommand } = await import("./recovery.js");
      await recoveryStatusCommand(output, command.optsWithGlobals());
    });
  freshCode(recovery.command("regenerate"))
    .description("make new ones, shown once; the old ones stop working")
    .option("--yes", "do not ask whether to")
    .action(async (_options: object, command: Command) => {
      const { recoveryRegenerateCommand } = await import("./recovery.js");
      await recoveryRegenerateCommand(output, command.optsWithGlobals());
    });
}

function freshCode(command: Command): Command {
  return command.option("--code <code>", "a fresh code, for when your last one is older than five minutes");
}
