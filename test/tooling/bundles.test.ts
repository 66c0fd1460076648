import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** The bundles that the setup has made: what in them would be noticed late, where they are installed. */

interface File {
  readonly text: string;
  /** Those that are loaded with it, by their names here. */
  readonly needs: readonly string[];
  /** Of what it was made: paths stand in front of the modules. */
  readonly modules: readonly string[];
}

const packages = fileURLToPath(new URL("../../packages/", import.meta.url));
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);

function bundleOf(program: string): ReadonlyMap<string, File> {
  const folder = join(packages, program, "bundle");
  const [names = []]: string[][] = JSON.parse(readFileSync(join(folder, "files.json"), "utf8"));
  const files = names
    .filter((name) => name.endsWith(".js"))
    .map((name): [string, File] => {
      const text = readFileSync(join(folder, name), "utf8");
      const needs = matches(text, /^import (?:[^"]* from )?"\.\/([^"]+)";$/gm);
      return [name, { text, needs, modules: matches(text, /^\/\/ (\S+\.[cm]?js)$/gm) }];
    });
  return new Map(files);
}

/** The modules that are loaded with the file that has one of them. */
function loadedWith(bundle: ReadonlyMap<string, File>, module: string): readonly string[] {
  const first = [...bundle].find(([, { modules }]) => modules.includes(module))?.[0];
  const names = new Set<string>(first === undefined ? [] : [first]);
  for (const name of names) for (const needed of bundle.get(name)?.needs ?? []) names.add(needed);
  return [...names].flatMap((name) => bundle.get(name)?.modules ?? []);
}

describe.each(["client", "server"])("the bundle of packages/%s", (program) => {
  const bundle = bundleOf(program);

  it("loads nothing but files beside it, Node's own modules and the package's dependencies", () => {
    const { dependencies } = JSON.parse(readFileSync(join(packages, program, "package.json"), "utf8"));
    const known = new Set([...builtinModules, ...Object.keys(dependencies), "../package.json"]);
    const asked = [...bundle.values()].flatMap(({ text }) => [
      ...matches(text, /^import (?:[^"]* from )?"([^"]+)";$/gm),
      ...matches(text, /\b(?:await|return) import\("([^"]+)"\)/g),
      ...matches(text, /(?:\b__require|\bcreateRequire\(import\.meta\.url\))\("([^"]+)"\)/g),
    ]);
    const own = asked.filter((name) => name.startsWith("./"));
    expect(own.filter((name) => !bundle.has(name.slice(2)))).toEqual([]);
    const others = new Set(asked.filter((name) => !name.startsWith("./")).map((name) => name.replace(/^node:/, "")));
    expect([...others].filter((name) => !known.has(name))).toEqual([]);
  });

  it("has the licence of every package that is in it", () => {
    const licences = readFileSync(join(packages, program, "bundle/LICENSES.txt"), "utf8");
    const inside = [...bundle.values()].flatMap(({ modules }) => modules);
    const names = new Set(inside.flatMap((path) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
    expect(names.size).toBeGreaterThan(10);
    expect([...names].filter((name) => !licences.includes(`\n${name} `) && !licences.startsWith(`${name} `))).toEqual(
      [],
    );
  });
});

describe("a server without its HTTPS port", () => {
  it("loads no part of that port", () => {
    const loaded = loadedWith(bundleOf("server"), "packages/server/dist/server.js");
    expect(loaded).toContain("packages/server/dist/server.js");
    expect(
      loaded.filter((path) => /node_modules\/(fastify|yaml|glob)\/|server\/dist\/(http|web)\//.test(path)),
    ).toEqual([]);
  });
});
