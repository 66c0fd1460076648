import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { anchorsOf, codeSpans, fromRoot, linksOf, page, pages, root } from "./pages.js";

const all = pages();

describe("the documentation's links", () => {
  it.each(all.map((one) => [one.path, one] as const))("%s leads nowhere that is not there", (_path, one) => {
    expect(linksOf(one).filter((target) => !leadsSomewhere(one.path, target))).toEqual([]);
  });

  it("are found, and a dead one among them", () => {
    const text = "# A `b` c!\n[x](#a-b-c) ![y](nowhere.svg) `[z](code.md)`\n```\n[w](fenced.md)\n```\n";
    const one = { path: "README.md", text, prose: text.replace(/```[\s\S]*```/, "") };
    expect(linksOf(one)).toEqual(["#a-b-c", "nowhere.svg"]);
    expect(anchorsOf(one)).toEqual(["a-b-c"]);
    expect(leadsSomewhere("README.md", "nowhere.svg")).toBe(false);
    expect(leadsSomewhere("README.md", "docs/architecture.md#no-such-heading")).toBe(false);
  });
});

describe("docs/architecture.md", () => {
  const { prose } = page("docs/architecture.md");

  it("names only files and folders that exist", () => {
    const paths = codeSpans(prose).filter(isPath);
    expect(paths.length).toBeGreaterThan(30);
    expect(paths.filter((path) => locate(path) === undefined)).toEqual([]);
  });

  it("says of a file only functions that it holds: those named behind it, in one item or paragraph", () => {
    const claims = prose.split(/\n(?=\n|\d+\. |- |\|)/).flatMap(functionsByFile);
    expect(claims.length).toBeGreaterThan(40);
    const wrong = claims.filter(({ file, name }) => !textOf(file).includes(name));
    expect(wrong).toEqual([]);
  });
});

describe("SECURITY.md", () => {
  const items = page("SECURITY.md")
    .prose.split(/^(?=[-*#] ?)/m)
    .flatMap((item) => {
      const [, path, titles] = /^- `([^`]+\.ts)`:([\s\S]*)/.exec(item) ?? [];
      return path === undefined || titles === undefined ? [] : [{ path, titles: quoted(titles) }];
    });

  it("names tests that exist, by file and title", () => {
    expect(items.length).toBeGreaterThan(20);
    const missing = items.flatMap(({ path, titles }) => {
      const file = join(root, path);
      const text = existsSync(file) ? readFileSync(file, "utf8") : "";
      return (titles.length === 0 ? ["(no title)"] : titles)
        .filter((title) => !text.includes(title))
        .map((title) => `${path}: ${title}`);
    });
    expect(missing).toEqual([]);
  });

  it("has a section for each of the fourteen promises", () => {
    const promises = [...page("SECURITY.md").prose.matchAll(/^### (\d+)\. /gm)].map(([, number]) => Number(number));
    expect(promises).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  });
});

/** Each `name()` of a text with the `file.ts` that was named last before it. */
function functionsByFile(text: string): { file: string; name: string }[] {
  let file = "";
  const claims: { file: string; name: string }[] = [];
  for (const code of codeSpans(text)) {
    if (code.endsWith(".ts")) file = code;
    else if (/^\w+\(\)$/.test(code)) claims.push({ file, name: code.slice(0, -2) });
  }
  return claims;
}

function textOf(path: string): string {
  const file = locate(path);
  return path === "" || file === undefined ? "" : readFileSync(file, "utf8");
}

/** Titles stand between “ and ”, and may be broken over lines. */
function quoted(text: string): string[] {
  return [...text.matchAll(/“([^”]+)”/g)].map(([, title = ""]) => title.replaceAll(/\s+/g, " "));
}

function leadsSomewhere(from: string, target: string): boolean {
  if (/^(https?|mailto):/.test(target)) return true;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? join(root, from) : join(root, dirname(from), path);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  return statSync(file).isFile() && anchorsOf(page(fromRoot(file))).includes(anchor);
}

/** `folder/`, `folder/file.ext`, or a file of the root by its name. */
function isPath(code: string): boolean {
  return (
    /^[\w.@-]+(\/[\w.@-]+)*\/$/.test(code) || /^[\w.@-]+(\/[\w.@-]+)*\.(ts|mjs|cjs|json|md|py|yaml|svg)$/.test(code)
  );
}

/** Where such a path is: from the root, or `client/…`, `server/…`, `shared/…` for a package's `src`. */
function locate(path: string): string | undefined {
  const [first = "", ...rest] = path.split("/");
  const inSource = join(root, "packages", first, "src", ...rest);
  return [join(root, path), inSource].find((candidate) => existsSync(candidate));
}
