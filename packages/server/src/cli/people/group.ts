import type { Command } from "commander";

/** The command `user`, which several parts add their subcommands to: whoever comes first makes it. */
export function userGroup(program: Command): Command {
  const made = program.commands.find((command) => command.name() === "user");
  return made ?? program.command("user").description("the people who are registered");
}
