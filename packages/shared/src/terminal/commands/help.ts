import type { Command, Help, Option } from "commander";
import { bold, showsColour } from "../terminal-text.js";
import { environmentRows, examplesOf, exitRows, type Manual, type Row } from "./manual.js";
import { type CommandFacts, factsOf, inheritedOptions, withDescendants } from "./tree.js";

/** Help is laid out for this at most: longer lines are hard to read, and manuals are as wide. */
const COLUMNS = 80;

/**
 * Gives each command of a program the same form of help: behind commander's own sections come examples, the environment
 * and the exit codes. To be called when all commands are there.
 */
export function withHelp(program: Command, manual: Manual): Command {
  const { stdout } = process;
  eachCommand(program, (command) =>
    command
      .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: inheritedOptions, optionDescription, styleTitle })
      .configureOutput({
        getOutHelpWidth: () => Math.min(COLUMNS, stdout.isTTY === true ? stdout.columns : COLUMNS),
        getErrHelpWidth: () => COLUMNS,
        getOutHasColors: () => showsColour(stdout, process.env),
        getErrHasColors: () => showsColour(process.stderr, process.env),
      }),
  );
  return program.addHelpText("afterAll", ({ command, error }) => {
    const colour = showsColour(error ? process.stderr : stdout, process.env);
    return furtherSections(program, command, manual)
      .map(([title, ...lines]) => `\n${[bold(title ?? "").render(colour), ...lines].join("\n")}`)
      .join("\n");
  });
}

function eachCommand(command: Command, use: (command: Command) => unknown): void {
  use(command);
  for (const child of command.commands) eachCommand(child, use);
}

/** As commander's, but without the variable, which has a section of its own. */
function optionDescription({ description, argChoices, defaultValue, required, optional }: Option): string {
  const choices = argChoices === undefined ? [] : [argChoices.join(", ")];
  const shown = defaultValue !== undefined && (required || optional);
  const extra = [...choices, ...(shown ? [`default: ${defaultValue}`] : [])];
  return extra.length === 0 ? description : `${description} (${extra.join("; ")})`;
}

function styleTitle(title: string): string {
  return bold(title).render(true);
}

/** Sections as lines, the first of which is the title. */
function furtherSections(program: Command, command: Command, manual: Manual): readonly (readonly string[])[] {
  const path = pathOf(command).join(" ");
  const found = withDescendants(factsOf(program)).find((facts) => facts.path.join(" ") === path);
  if (found === undefined) return [];
  const helper = command.createHelp();
  helper.prepareContext({ helpWidth: COLUMNS });
  const examples = exampleLines(program.name(), found, manual, helper);
  return [
    ...(examples.length === 0 ? [] : [["Examples:", ...examples]]),
    ["Environment:", ...rowLines(environmentOf(found, manual), helper)],
    ["Exit codes:", ...rowLines(exitRows, helper)],
  ];
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

/** The program itself tells of all the variables that any command takes. */
function environmentOf(command: CommandFacts, manual: Manual): readonly Row[] {
  const all = command.path.length === 0 ? withDescendants(command) : [command];
  return environmentRows([...all.flatMap(({ options, inherited }) => [...options, ...inherited])], manual);
}

function exampleLines(program: string, command: CommandFacts, manual: Manual, helper: Help): readonly string[] {
  return examplesOf(command, manual).flatMap(({ line, does }) => [
    `  ${program} ${line}`.trimEnd(),
    ...helper
      .boxWrap(does, COLUMNS - 6)
      .split("\n")
      .map((text) => `      ${text}`),
  ]);
}

function rowLines(rows: readonly Row[], helper: Help): readonly string[] {
  const width = Math.max(...rows.map(([term]) => term.length));
  return rows.map(([term, meaning]) => helper.formatItem(term, width, meaning, helper));
}
