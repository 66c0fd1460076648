import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { serverOptions, storeOptions } from "../config/options.js";
import { withOptions } from "../config/resolve.js";
import { withStoreOptions, withTerminal } from "../store-options.js";

/** The commands that look after a server that runs. */
export function addRunning(program: Command, output: Output): void {
  addLogLevel(program, output);
  withStoreOptions(program.command("status"))
    .description("print how the store is, and which servers run on it")
    .action(async (_options: object, command: Command) => {
      const { statusCommand } = await import("./status.js");
      await statusCommand(output, command.optsWithGlobals());
    });
  withTerminal(withOptions(program.command("doctor"), [...storeOptions, ...serverOptions], { settled: "by-itself" }))
    .description("look for what is wrong, or soon will be, with this machine and its store")
    .action(async (_options: object, command: Command) => {
      const { doctorCommand } = await import("../doctor/doctor.js");
      await doctorCommand(output, command);
    });
}

function addLogLevel(program: Command, output: Output): void {
  const logLevel = program.command("log-level").description("how much all servers of the store log, while they run");
  withStoreOptions(logLevel.command("show"))
    .description("print what they were told, if anything")
    .action(async (_options: object, command: Command) => {
      const { logLevelShowCommand } = await import("./log-level.js");
      await logLevelShowCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(logLevel.command("set"))
    .description("have them log at this level, whatever each was started with")
    .argument("<level>", "error, warn, info or debug")
    .option("--for <span>", "go back after so long: 30m, 1h, 7d")
    .action(async (level: string, _options: object, command: Command) => {
      const { logLevelSetCommand } = await import("./log-level.js");
      await logLevelSetCommand(output, level, command.optsWithGlobals());
    });
  withStoreOptions(logLevel.command("clear"))
    .description("give each its own level back")
    .action(async (_options: object, command: Command) => {
      const { logLevelClearCommand } = await import("./log-level.js");
      await logLevelClearCommand(output, command.optsWithGlobals());
    });
}
