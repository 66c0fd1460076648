import { type Command, Option } from "commander";

/** The options of every command that opens the store. */
export function withStoreOptions(command: Command): Command {
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
