import { completionScript } from "@postern/shared/terminal/commands/completion";
import { type CommandFacts, factsOf, withDescendants } from "@postern/shared/terminal/commands/tree";
import { createOutput } from "@postern/shared/terminal/output";
import { afterAll, describe, expect, it } from "vitest";
import { manual as clientManual } from "../../packages/client/src/cli/manual.js";
import { buildProgram as buildClient } from "../../packages/client/src/cli/program.js";
import { manual as serverManual } from "../../packages/server/src/cli/manual.js";
import { buildProgram as buildServer } from "../../packages/server/src/cli/program.js";
import { Machine } from "../support/programs.js";
import { installedShells, offersOf } from "../support/shells.js";

/** What both programs tell of their commands: help, completion. Each is asked of every command that there is. */

type Command = ReturnType<typeof buildClient>;

const { stdout, stderr } = process;
const output = createOutput({ json: false, stdout, stderr, env: {} });
const programs = [
  { name: "postern", build: () => buildClient(output), manual: clientManual },
  { name: "posternd", build: () => buildServer(output), manual: serverManual },
] as const;

const machine = new Machine();
afterAll(() => machine.close());

describe.each(programs)("$name", ({ name, build, manual }) => {
  const commands = withDescendants(factsOf(build()));
  const lineOf = ({ path }: CommandFacts) => [name, ...path].join(" ");

  it.each(installedShells)("is completed by a real %s, every command and every option of it", (shell) => {
    const lines = commands.flatMap((command) => [`${lineOf(command)} `, `${lineOf(command)} -`]);
    const offers = offersOf(shell, completionScript(build(), shell), lines, machine.home);
    for (const command of commands.filter(({ path }) => path.at(-1) !== "help")) {
      const below = command.commands.map(({ path }) => path.at(-1) ?? "");
      const options = [...command.options, ...command.inherited].map(({ flags }) => flags.at(-1) ?? "");
      if (below.length > 0) expect(offers.get(`${lineOf(command)} `)).toEqual(below.sort());
      expect(new Set(offers.get(`${lineOf(command)} -`))).toEqual(new Set(options));
    }
  });

  it("has help of at most 80 columns for every command", () => {
    for (const { path } of commands.filter(({ path }) => path.at(-1) !== "help")) {
      const help = helpOf(build(), path);
      expect(help).toContain("Exit codes:");
      for (const line of help.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
    }
  });

  it("has examples only of commands that there are, whose options there are too", async () => {
    const known = commands.map(({ path }) => path.join(" "));
    expect(Object.keys(manual.examples).filter((path) => !known.includes(path))).toEqual([]);
    for (const [path, examples] of Object.entries(manual.examples)) {
      for (const { line } of examples) expect(await parsed(build(), line), line).toMatch(new RegExp(`^${path}`));
    }
  });

  it("prints the completion script that was asked for, also as JSON", async () => {
    const plain = await machine.run(name, ["completion", "bash"]);
    expect(plain).toEqual({ code: 0, stdout: completionScript(build(), "bash"), stderr: "" });
    const { stdout: json } = await machine.run(name, ["completion", "fish", "--json"]);
    expect(JSON.parse(json)).toEqual({ shell: "fish", script: completionScript(build(), "fish") });
  });

  it("refuses to complete for a shell that it does not know", async () => {
    const { code, stdout: json } = await machine.run(name, ["completion", "tcsh", "--json"]);
    expect(code).toBe(2);
    expect(JSON.parse(json)).toMatchObject({ error: { code: "usage" } });
  });
});

/** The command that a line of words leads to; none of the programs' actions run. @throws when it is not understood */
async function parsed(program: Command, line: string): Promise<string> {
  let path: readonly string[] = [];
  const acting = withDescendants(factsOf(program)).filter(({ acts }) => acts);
  const acts = (command: Command) => acting.some(({ path }) => path.join(" ") === pathOf(command).join(" "));
  eachOf(program, (command) => {
    command.configureOutput({ writeOut: () => undefined });
    if (acts(command))
      command.action(() => {
        path = pathOf(command);
      });
  });
  try {
    await program.parseAsync(wordsOf(line), { from: "user" });
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && String(thrown.code).startsWith("commander.help")))
      throw thrown;
  }
  return path.join(" ");
}

/** As a shell takes a line of ours apart: quotes, and where the output goes. */
function wordsOf(line: string): string[] {
  const words = line.replace(/ [<>].*$/, "").match(/'[^']*'|\S+/g) ?? [];
  return words.map((word) => word.replace(/^'(.*)'$/, "$1"));
}

function helpOf(program: Command, path: readonly string[]): string {
  let printed = "";
  eachOf(program, (command) => command.configureOutput({ writeOut: (text) => (printed += text) }));
  expect(() => program.parse([...path, "--help"], { from: "user" })).toThrow("(outputHelp)");
  return printed;
}

function eachOf(command: Command, use: (command: Command) => unknown): void {
  use(command);
  for (const child of command.commands) eachOf(child, use);
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}
