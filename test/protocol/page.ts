import { readFileSync } from "node:fs";

/** docs/protocol.md as its readers take it apart: sections by their headings, tables by their cells. */
export const page = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");

/** As one line each: a sentence may be wrapped anywhere. */
export const sentences = page.replaceAll(/\s+/g, " ");

/** What stands under a heading, until the next one of its level or above. */
export function section(heading: string): string {
  const [, level = ""] = /^(#+) /.exec(heading) ?? [];
  const [, rest] = page.split(`\n${heading}\n`);
  if (rest === undefined) throw new Error(`the page has no "${heading}"`);
  return rest.split(new RegExp(`\n#{1,${level.length}} `))[0] ?? "";
}

/** The rows of each table of a section, without their heads. */
export function tables(text: string): string[][][] {
  return [...text.matchAll(/(?:^\| .*\n)+/gm)].map(([table]) => table.trimEnd().split("\n").slice(2).map(cells));
}

function cells(row: string): string[] {
  return row
    .replaceAll(/^\| | \|$/g, "")
    .split(/ (?<!\\)\| /)
    .map((cell) => cell.replaceAll("`", ""));
}

/** The rows of a section's first table. */
export function tableRows(text: string): string[][] {
  return tables(text)[0] ?? [];
}

/** The contents of a section's fenced blocks. */
export function fencedBlocks(text: string): string[] {
  return [...text.matchAll(/^```[a-z]*\n(.*?)^```$/gms)].map(([, block = ""]) => block);
}

/** The lines of the blocks that show what goes over the wire, without their arrows. */
export function wireLines(text: string): { readonly from: "client" | "server"; readonly line: string }[] {
  return [...text.matchAll(/^([→←]) (\{.*)$/gm)].map(([, arrow, line = ""]) => ({
    from: arrow === "→" ? "client" : "server",
    line,
  }));
}

/** A field as the page lists it; with the fields within it, where it is an object or an array of objects. */
export interface Field {
  readonly name: string;
  /** What the page says of it in parentheses, as far as the first comma or semicolon. */
  readonly type: string;
  readonly optional: boolean;
  readonly within: readonly Field[];
}

/** What several calls answer with, each by its own section. */
const shared = ["### The session's facts", "### A new session", "### An authenticator's facts"];

/** The fields that a call's section lists behind "Params:" or "Result:". */
export function fields(method: string, part: "Params" | "Result"): Field[] {
  const whole = new RegExp(`^${part}:(.*?)(?=^Result:|$(?![^]))`, "ms");
  return fieldsIn(whole.exec(section(`### \`${method}\``))?.[1] ?? "");
}

function fieldsIn(text: string): Field[] {
  const [head = "", ...items] = text.split(/^(?=- `)/m);
  return [...sharedFields(head), ...items.map((item) => field(item))];
}

function sharedFields(text: string): Field[] {
  return shared.filter((heading) => text.includes(`(#${anchor(heading)})`)).flatMap((each) => fieldsIn(section(each)));
}

const anchor = (heading: string) => heading.slice(4).toLowerCase().replaceAll("'", "").replaceAll(" ", "-");

function field(item: string): Field {
  const [, name = "", said = ""] = /^- `(\w+)` \(([^)]*)\)/.exec(item) ?? [];
  const [type = ""] = said.split(/[,;]/);
  const inner = item.replaceAll(/^ {2}/gm, "").slice(2);
  const [text = "", ...items] = inner.split(/^(?=- `)/m);
  const within = type.includes("object") ? [...sharedFields(text), ...items.map((each) => field(each))] : [];
  return { name, type, optional: /; may be (?:left out|missing)$/.test(said.replaceAll(/\s+/g, " ")), within };
}
