import { Command, Option } from "commander";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../../src/errors.js";
import { withHelp } from "../../../src/terminal/commands/help.js";
import type { Manual } from "../../../src/terminal/commands/manual.js";

const manual: Manual = {
  about: [],
  examples: { "key show": [{ line: "key show --level low", does: "shows as little as it can, which is ".repeat(4) }] },
  environment: [["XDG_DATA_HOME", "where all of it is kept"]],
  files: [],
};

/** What `gate … --help` prints. */
function helpOf(...words: readonly string[]): string {
  let printed = "";
  const program = new Command("gate")
    .version("1.2.3")
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text) })
    .addOption(new Option("--server <host:port>", "which server").env("GATE_SERVER"));
  program
    .command("key")
    .command("show")
    .addOption(
      new Option("--level <level>", "how much of it").choices(["low", "high"]).default("low").env("GATE_LEVEL"),
    )
    .action(() => undefined);
  program.command("lock").action(() => undefined);
  const parse = () => withHelp(program, manual).parse([...words, "--help"], { from: "user" });
  expect(parse).toThrow("(outputHelp)");
  return printed;
}

const sectionOf = (help: string, title: string) => new RegExp(`^${title}:\n((?: .*\n)*)`, "m").exec(help)?.[1] ?? "";

describe("the help of a command", () => {
  const help = helpOf("key", "show");

  it("has examples, each with what it does", () => {
    expect(sectionOf(help, "Examples")).toMatch(/^ {2}gate key show --level low\n {6}shows as little/);
  });

  it("names the variables that stand for its options and for those above it, and the program's own", () => {
    const environment = sectionOf(help, "Environment");
    expect(environment).toMatch(/GATE_LEVEL +stands for --level/);
    expect(environment).toMatch(/GATE_SERVER +stands for --server/);
    expect(environment).toMatch(/XDG_DATA_HOME +where all of it is kept/);
    expect(environment).toMatch(/NO_COLOR/);
    expect(help).not.toContain("env:");
  });

  it("has every exit code, in their order", () => {
    const codes = [...sectionOf(help, "Exit codes").matchAll(/^ {2}(\d+) +\S/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(exitCodes).sort((one, other) => one - other));
  });

  it("says what may be chosen, and what is chosen by default", () => {
    expect(help).toMatch(/--level <level> +how much of it \(low, high; default: low\)/);
  });

  it("has the options of what is above it, but not the version", () => {
    expect(sectionOf(help, "Global Options")).toContain("--server");
    expect(help).not.toContain("--version");
  });

  it("fits into 80 columns, and has no colour where it is no terminal", () => {
    for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(help).not.toContain("\u001b");
  });
});

describe("the help of the program", () => {
  it("names the variables of all commands", () => {
    expect(sectionOf(helpOf(), "Environment")).toContain("GATE_LEVEL");
  });
});

describe("the help of a command without examples", () => {
  it("has no such section", () => {
    expect(helpOf("lock")).not.toContain("Examples");
    expect(sectionOf(helpOf("lock"), "Environment")).not.toContain("GATE_LEVEL");
  });
});
