import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installedShells, offersOf } from "../../../../../test/support/shells.js";
import { completionScript } from "../../../src/terminal/commands/completion.js";

/** A program of the tests' own: what a command, an option or an argument can be, and texts that are no shell's friends. */
function program(): Command {
  const top = new Command("gate")
    .option("--server <host:port>", "which server")
    .option("--quiet", 'it\'s a "test" of $(touch pwned) and `touch pwned`; \\ % ~ * ? [x] {a,b} #');
  const key = top.command("key").description("'; touch pwned; echo '");
  key
    .command("show [file]")
    .addOption(new Option("-l, --level <level>", "how: much").choices(["low", "high"]))
    .option("--out <dir>", "where to")
    .option("--key-file <file>", "which one")
    .option("--name <name>", "whose");
  key.command("hidden", { hidden: true });
  key.command("join <name> <file...>");
  top.command("keys").description("of a name that begins like another");
  return top;
}

const folder = mkdtempSync(join(tmpdir(), "postern-completion-"));
mkdirSync(join(folder, "a-folder"));
writeFileSync(join(folder, "a-file"), "");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const named = (words: readonly string[] = []) => words.map((word) => word.replace(/\/$/, ""));

/** A line, and what is offered at its end. Options are those of the command and of all above it. */
const expected: Readonly<Record<string, readonly string[]>> = {
  "gate ": ["help", "key", "keys"],
  "gate ke": ["key", "keys"],
  "gate key ": ["help", "join", "show"],
  "gate key s": ["show"],
  "gate help ": ["key", "keys"],
  "gate key help ": ["join", "show"],
  "gate key show --": ["--help", "--key-file", "--level", "--name", "--out", "--quiet", "--server"],
  "gate --server localhost:7 key show --l": ["--level"],
  "gate --server=localhost:7 key sh": ["show"],
  "gate key show --level ": ["high", "low"],
  "gate key show -l ": ["high", "low"],
  "gate key show --level low --out x -l h": ["high"],
  "gate key show --name ": [],
  "gate key show --key-file a-": ["a-file", "a-folder"],
  "gate key show a-": ["a-file", "a-folder"],
  "gate key show -- a-": ["a-file", "a-folder"],
  "gate key show a-file ": [],
  "gate key join ": [],
  "gate key join someone a-f": ["a-file", "a-folder"],
  "gate key join someone a-file a-f": ["a-file", "a-folder"],
  "gate nothing ": [],
};

describe.each(installedShells)("completion in a real %s", (shell) => {
  let offers: ReturnType<typeof offersOf>;

  beforeAll(() => {
    const more = ["gate key show --level=h", "gate key show --out "];
    offers = offersOf(shell, completionScript(program(), shell), [...Object.keys(expected), ...more], folder);
  });

  it.each(Object.entries(expected))("`%s` offers %j", (line, words) => {
    expect(named(offers.get(line))).toEqual(words);
  });

  it("goes on behind = as behind a blank", () => {
    const whole = shell === "fish" ? "--level=high" : "high";
    expect(offers.get("gate key show --level=h")).toEqual([whole]);
  });

  it("offers folders alone where one is asked for", () => {
    expect(named(offers.get("gate key show --out "))).toContain("a-folder");
    expect(named(offers.get("gate key show --out "))).not.toContain("a-file");
  });

  it("runs nothing that stands in a description", () => {
    expect(existsSync(join(folder, "pwned"))).toBe(false);
  });
});
