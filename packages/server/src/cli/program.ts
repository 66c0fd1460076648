import type { Output } from "@postern/shared/terminal/output";
import { Command, Option } from "commander";
import { version } from "../version.js";

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

  const audit = program.command("audit").description("the audit log");
  withStoreOptions(audit.command("list"))
    .description("print it, oldest first")
    .option("--limit <n>", "only the last n entries", "50")
    .action(async (_options: object, command: Command) => {
      const { auditListCommand } = await import("./audit.js");
      await auditListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(audit.command("verify"))
    .description("check that no entry was edited, removed, reordered or cut off")
    .action(async (_options: object, command: Command) => {
      const { auditVerifyCommand } = await import("./audit.js");
      await auditVerifyCommand(output, command.optsWithGlobals());
    });

  return program;
}

/** The options of every command that opens the store. */
function withStoreOptions(command: Command): Command {
  return command
    .addOption(new Option("--data <dir>", "the data directory").env("POSTERND_DATA"))
    .addOption(
      new Option("--admin-password-file <file>", "read the admin password from a file, or from stdin with -").env(
        "POSTERND_ADMIN_PASSWORD_FILE",
      ),
    )
    .option("--json", "one line of JSON for each result and error, on stdout")
    .option("--no-input", "never ask; what is missing is an error");
}
