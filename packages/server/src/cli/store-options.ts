import type { Command } from "commander";
import { storeOptions } from "./config/options.js";
import { withOptions } from "./config/resolve.js";

/** The options of every command that opens the store. */
export function withStoreOptions(command: Command): Command {
  return withTerminal(withOptions(command, storeOptions));
}

/** How a command talks: the same for all of them. */
export function withTerminal(command: Command): Command {
  return command
    .option("--json", "one line of JSON for each result and error, on stdout")
    .option("--no-input", "never ask; what is missing is an error");
}
