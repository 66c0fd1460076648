import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { serverOptions, storeOptions } from "./options.js";
import { withOptions } from "./resolve.js";

export function addConfig(program: Command, output: Output): void {
  const config = program.command("config").description("the configuration of `posternd start`");
  const show = config.command("show");
  withOptions(show, [...storeOptions, ...serverOptions])
    .description("print each option and where its value is from, in the form of the file")
    .option("--json", "one line of JSON, on stdout")
    .action(async (_options: object, command: Command) => {
      const { configShowCommand } = await import("./show.js");
      configShowCommand(output, command);
    });
}
