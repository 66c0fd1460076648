import { PosternError } from "@postern/shared/errors";
import { addCompletion } from "@postern/shared/terminal/commands/completion";
import { withHelp } from "@postern/shared/terminal/commands/help";
import type { Output } from "@postern/shared/terminal/output";
import { Command, Option } from "commander";
import { version } from "../version.js";
import { addAccountCommands } from "./account/commands.js";
import { DEFAULT_SERVER } from "./default-server.js";
import { addLoadtestCommands } from "./loadtest/commands.js";
import { manual } from "./manual.js";
import { addOtpCommands } from "./otp/commands.js";

/**
 * The commands of `postern` and their options. What a command does is imported when it runs: `--version`, `--help` and
 * the offline ones start without the network's and the cryptography's weight.
 */
export function buildProgram(output: Output): Command {
  const program = new Command("postern")
    .description("Register and log in to a Postern server. Without a command: a menu.")
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addOption(new Option("--server <host:port>", "which server").env("POSTERN_SERVER").default(DEFAULT_SERVER))
    .addOption(
      new Option(
        "--fingerprint <SHA256:…>",
        "the identity that the server must show, as its operator's terminal shows it",
      ).env("POSTERN_FINGERPRINT"),
    )
    .option("--trust-on-first-use", "trust a server that was never seen before, without asking")
    .option("--json", "one line of JSON for each result and error, on stdout")
    .option("--no-input", "never ask; what is missing is an error")
    .helpCommand(true)
    .action(async (_options: object, command: Command) => {
      const [unknown] = command.args;
      if (unknown !== undefined) throw new PosternError("usage", { detail: `unknown command '${unknown}'` });
      const { menu } = await import("./menu.js");
      await menu(output, command.optsWithGlobals());
    });

  program
    .command("register [name]")
    .description("make an account: password, authenticator, recovery codes")
    .option("--invite <token>", "the invite that the operator gave you; it works once")
    .option("--invite-file <file>", "read the invite from a file, or from the first line of stdin with -")
    .option("--password-file <file>", "read the password from a file, or from the first line of stdin with -")
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { registerCommand } = await import("./register.js");
      await registerCommand(output, name, command.optsWithGlobals());
    });

  program
    .command("login [name]")
    .description("log in with password and code")
    .option("--password-file <file>", "read the password from a file, or from the first line of stdin with -")
    .option("--code <code>", "the authenticator's code, or a recovery code")
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { loginCommand } = await import("./login.js");
      await loginCommand(output, name, command.optsWithGlobals());
    });

  program
    .command("recover [name]")
    .description("set a new password, or replace a lost authenticator, with a token of the operator's")
    .option("--token-file <file>", "read the token from a file, or from the first line of stdin with -")
    .option("--password-file <file>", "with a token that replaces authenticators: read the password from a file")
    .option("--new-password-file <file>", "with one that sets a new password: read that from a file")
    .option("--code <code>", "with one that sets a new password: a code, or a recovery code")
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const { recoverCommand } = await import("./recover.js");
      await recoverCommand(output, name, command.optsWithGlobals());
    });

  program
    .command("whoami")
    .description("show the session of this machine")
    .action(async (_options: object, command: Command) => {
      const { whoamiCommand } = await import("./session.js");
      await whoamiCommand(output, command.optsWithGlobals());
    });

  program
    .command("token")
    .description("print a signed token (JWT, five minutes) by which another service knows you")
    .option("--audience <name>", "the service that it is for")
    .action(async (_options: object, command: Command) => {
      const { tokenCommand } = await import("./session.js");
      await tokenCommand(output, command.optsWithGlobals());
    });

  program
    .command("logout")
    .description("end the session of this machine")
    .action(async (_options: object, command: Command) => {
      const { logoutCommand } = await import("./session.js");
      await logoutCommand(output, command.optsWithGlobals());
    });

  addAccountCommands(program, output);

  const server = program.command("server").description("the servers that this machine knows");
  server
    .command("list")
    .description("list them with their fingerprints")
    .action(async (_options: object, command: Command) => {
      const { serverListCommand } = await import("./server.js");
      await serverListCommand(output, command.optsWithGlobals());
    });
  server
    .command("forget <host:port>")
    .description("forget one: the next contact is a first contact again")
    .action(async (address: string, _options: object, command: Command) => {
      const { serverForgetCommand } = await import("./server.js");
      await serverForgetCommand(output, address, command.optsWithGlobals());
    });

  addOtpCommands(program, output);
  addLoadtestCommands(program, output);
  addCompletion(program, output);
  // commander would tell who mistypes a command that there are too many arguments. Commands inherit it when they are made.
  return withHelp(program, manual).allowExcessArguments();
}
