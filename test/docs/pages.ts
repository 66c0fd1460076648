import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

/** A page of the documentation: its path from the root, its text, and the text without what stands in code fences. */
export interface Page {
  readonly path: string;
  readonly text: string;
  readonly prose: string;
}

/** Every `*.md` beside package.json, and every one below docs. */
export function pages(): Page[] {
  const own = readdirSync(root).filter((name) => name.endsWith(".md"));
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".md"),
  );
  return [...own, ...docs.map((name) => join("docs", name))].sort().map((path) => page(path));
}

/** The page at a path from the root. */
export function page(path: string): Page {
  const text = readFileSync(join(root, path), "utf8");
  return { path: path.split(sep).join("/"), text, prose: withoutFences(text) };
}

/** Targets of links and pictures, in the order of the page. Code between backticks holds none. */
export function linksOf({ prose }: Page): string[] {
  const plain = prose.replaceAll(/`[^`\n]*`/g, "");
  return [...plain.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = ""]) => target);
}

/** What stands between backticks in a text. */
export function codeSpans(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}

/** The anchors that GitHub gives a page's headings: lower case, no punctuation, hyphens for spaces, numbered when doubled. */
export function anchorsOf({ prose }: Page): string[] {
  const seen = new Map<string, number>();
  return [...prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading = ""]) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
      .replaceAll(" ", "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

/** A path as a page would write it, from the root. */
export function fromRoot(path: string): string {
  return relative(root, path).split(sep).join("/");
}

/** Fences are replaced by as many empty lines, so that line numbers stay. */
function withoutFences(text: string): string {
  return text.replaceAll(/^(```|~~~)[\s\S]*?^\1[^\n]*$/gm, (fence) => fence.replaceAll(/[^\n]/g, ""));
}
