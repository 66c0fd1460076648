/**
 * `completion bash|zsh|fish`: prints the script by which a shell completes the program's commands, options, choices and
 * file names. It is made of the tree of commands when it is asked for, so it never lacks one that the program has.
 */
import { Argument, type Command } from "commander";
import type { Output } from "../output.js";
import { drawn } from "../terminal-text.js";
import { bashCompletion } from "./completion-bash.js";
import { fishCompletion } from "./completion-fish.js";
import { completionTable } from "./completion-table.js";
import { zshCompletion } from "./completion-zsh.js";
import { factsOf } from "./tree.js";

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
export type Shell = keyof typeof scripts;

export const shells = Object.keys(scripts) as Shell[];

/** Adds the command. Where `--json` and `--no-input` are options of the program itself it has them from there. */
export function addCompletion(program: Command, output: Output): void {
  const command = program
    .command("completion")
    .description("print the script by which a shell completes what you type")
    .addArgument(new Argument("<shell>", "for which shell").choices(shells));
  if (!program.options.some(({ long }) => long === "--json")) {
    command
      .option("--json", "one line of JSON for each result and error, on stdout")
      .option("--no-input", "never ask; what is missing is an error");
  }
  command.action((shell: Shell) => {
    const script = completionScript(program, shell);
    output.result({ shell, script }, drawn(script.trimEnd()));
  });
}

export function completionScript(program: Command, shell: Shell): string {
  return scripts[shell](program.name(), completionTable(factsOf(program)));
}
