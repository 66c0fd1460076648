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

/** The rows of a section's first table, without its head. */
export function tableRows(text: string): string[][] {
  const rows = text.split("\n").filter((line) => line.startsWith("| "));
  const cells = rows.map((row) =>
    row
      .replaceAll(/^\| | \|$/g, "")
      .split(/ (?<!\\)\| /)
      .map((cell) => cell.replaceAll("`", "")),
  );
  return cells.slice(2);
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

/** The fields that a call's section lists behind "Params:" or "Result:". */
export function fields(method: string, part: "Params" | "Result"): string[] {
  const [, text = ""] =
    new RegExp(`^${part}:(.*?)(?=^Result:|$(?![^]))`, "ms").exec(section(`### \`${method}\``)) ?? [];
  const own = [...text.matchAll(/^- `(\w+)` \(/gm)].map(([, field = ""]) => field);
  return text.includes("(#the-sessions-facts)") ? [...sessionFacts(), ...own] : own;
}

function sessionFacts(): string[] {
  return [...section("### The session's facts").matchAll(/^- `(\w+)` \(/gm)].map(([, field = ""]) => field);
}
