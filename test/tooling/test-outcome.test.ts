import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "postern-outcome-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs Vitest on some test files as `.ci/run` does, and returns the line that tells how it went. */
function outcomeOf(files: Readonly<Record<string, string>>): string {
  const results = join(folder, "results.json");
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=json", `--outputFile.json=${results}`];
  spawnSync(process.execPath, [vitest, "run", "--root", folder, ...reporters], { cwd: folder });
  expect(JSON.parse(readFileSync(results, "utf8"))).toHaveProperty("numTotalTests");
  const script = join(root, "scripts/test-outcome.mjs");
  return spawnSync(process.execPath, [script, results], { encoding: "utf8" }).stdout;
}

const test = (name: string, wanted: number) =>
  `import { expect, it } from "vitest";\nit("${name}", () => expect(1).toBe(${wanted}));\n`;

it("counts what passed and what failed", () => {
  const files = { "a.test.mjs": test("a", 1), "b.test.mjs": test("b", 1), "c.test.mjs": test("c", 2) };
  expect(outcomeOf(files)).toBe("tests: 2 passed, 1 failed\n");
});

it("counts a file that cannot be loaded as a failure: it holds tests that nobody has run", () => {
  const files = { "a.test.mjs": test("a", 1), "b.test.mjs": 'import "./missing.mjs";\n' };
  expect(outcomeOf(files)).toBe("tests: 1 passed, 1 failed\n");
});

it("counts a file whose set-up fails as a failure", () => {
  const text = `import { beforeAll } from "vitest";\nbeforeAll(() => { throw new Error("no"); });\n${test("b", 1)}`;
  expect(outcomeOf({ "a.test.mjs": test("a", 1), "b.test.mjs": text })).toBe("tests: 1 passed, 1 failed\n");
});
