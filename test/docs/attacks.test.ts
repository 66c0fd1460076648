import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "./pages.js";

/** The project's list of attacks: 1 to 67, and two that came between. */
const list = [...Array.from({ length: 67 }, (_, index) => String(index + 1)), "28a", "28b"];

/** Those that are a figure, with the program that measures it. */
const measured: Readonly<Record<string, string>> = { 53: "bench/parts/floods.mjs" };

const folders = ["test", ...["shared", "server", "client"].map((name) => `packages/${name}/test`)];

/** The numbers in the titles of all tests, the long ones included. */
function namedInTitles(): Set<string> {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !path.includes("node_modules"))
      .map((path) => join(root, folder, path)),
  );
  const texts = files.map((file) => readFileSync(file, "utf8"));
  return new Set(texts.flatMap((text) => [...text.matchAll(/["'`][^"'`\n]*\battack (\d+[ab]?)\b/g)].map(numberIn)));
}

const numberIn = ([, number = ""]: RegExpMatchArray) => number;

describe("the list of attacks", () => {
  const named = namedInTitles();

  it("has a test that names it for every number, but for what is measured", () => {
    expect(list.filter((number) => !named.has(number) && !(number in measured))).toEqual([]);
  });

  it("has no number that a test names and nobody knows", () => {
    expect([...named].filter((number) => !list.includes(number))).toEqual([]);
  });

  it.each(Object.entries(measured))("attack %s is measured by %s, which says so", (number, path) => {
    expect(readFileSync(join(root, path), "utf8")).toMatch(new RegExp(`\\battack ${number}\\b`));
    expect(readFileSync(join(root, "bench/README.md"), "utf8")).toContain(path);
  });
});
