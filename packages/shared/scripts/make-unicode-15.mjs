/**
 * Makes src/names/unicode-15.ts: the characters that a name may have, from the data of Unicode 15.0.0.
 *
 * No engine that Postern runs on still carries Unicode 15.0 (Node 20.19 is at 16), and no engine tells in which version
 * a character came or its bidi class: hence a package of that version's data instead of RegExp property escapes.
 *
 *   npm pack @unicode/unicode-15.0.0@2.0.7 && tar -xzf unicode-unicode-15.0.0-2.0.7.tgz
 *   node packages/shared/scripts/make-unicode-15.mjs package            writes the file
 *   node packages/shared/scripts/make-unicode-15.mjs package --check    exits 1 when the file differs
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const target = join(import.meta.dirname, "../src/names/unicode-15.ts");
const [folder, option] = process.argv.slice(2);
if (folder === undefined || (option !== undefined && option !== "--check")) {
  console.error("usage: make-unicode-15.mjs FOLDER [--check]");
  process.exit(2);
}
const data = resolve(folder);
const { name, version } = JSON.parse(readFileSync(join(data, "package.json"), "utf8"));
if (name !== "@unicode/unicode-15.0.0") throw new Error(`${folder} holds ${name}, not @unicode/unicode-15.0.0`);

const LAST = 0x10ffff;
/** ASCII is a choice of Postern's: of RFC 8264's ASCII7, only what no shell, URL or file system gives a meaning. */
const ASCII = /[0-9A-Za-z._@+-]/;

/** RFC 8264 section 9.6, and RFC 5892 section 2.6 that it repeats. */
const ALWAYS_VALID = new Set([0x00df, 0x03c2, 0x06fd, 0x06fe, 0x0f0b, 0x3007]);
const NEVER_VALID = new Set([
  ...[0x0640, 0x07fa, 0x302e, 0x302f, 0x3031, 0x3032, 0x3033, 0x3034, 0x3035, 0x303b],
  // CONTEXTO, refused without looking at the context.
  ...[0x00b7, 0x0375, 0x05f3, 0x05f4, 0x30fb],
  ...Array.from({ length: 10 }, (_, digit) => 0x0660 + digit),
  ...Array.from({ length: 10 }, (_, digit) => 0x06f0 + digit),
]);

/** The code points of `values` of a property, as a map from code point to the value. */
async function property(path, values = readdirSync(join(data, path)).filter((entry) => !entry.startsWith("index"))) {
  const map = new Map();
  for (const value of values) {
    const { default: points } = await import(pathToFileURL(join(data, path, value, "code-points.mjs")));
    for (const point of points) map.set(point, [...(map.get(point) ?? []), value]);
  }
  return map;
}

const letterDigits = await property("General_Category", [
  ...["Lowercase_Letter", "Uppercase_Letter", "Other_Letter", "Decimal_Number", "Modifier_Letter"],
  ...["Nonspacing_Mark", "Spacing_Mark"],
]);
const unassigned = await property("General_Category", ["Unassigned"]);
const ignorable = await property("Binary_Property", ["Default_Ignorable_Code_Point", "Noncharacter_Code_Point"]);
const jamo = await property("Block", ["Hangul_Jamo", "Hangul_Jamo_Extended_A", "Hangul_Jamo_Extended_B"]);
const scripts = await property("Script_Extensions");
const bidiClasses = await property("Bidi_Class");

/** RFC 8264 section 8 for the IdentifierClass: PVALID. Join controls (CONTEXTJ) are default ignorable. */
function isValid(point) {
  if (point < 0x80) return ASCII.test(String.fromCodePoint(point));
  if (NEVER_VALID.has(point) || unassigned.has(point)) return false;
  if (ALWAYS_VALID.has(point)) return true;
  if (jamo.has(point) || ignorable.has(point) || !letterDigits.has(point)) return false;
  const text = String.fromCodePoint(point);
  return text.normalize("NFKC") === text;
}

/** The jamo that compose to syllables: L, V and T of the Unicode Standard section 3.12. */
function isComposingJamo(point) {
  return (
    (point >= 0x1100 && point <= 0x1112) || (point >= 0x1161 && point <= 0x1175) || (point >= 0x11a8 && point <= 0x11c2)
  );
}

/** Fullwidth, halfwidth, or canonically the same as valid characters: what the mapping turns into an allowed name. */
function isMapped(point) {
  if (isComposingJamo(point)) return true;
  if (point < 0x80 || unassigned.has(point)) return false;
  const text = String.fromCodePoint(point);
  const source = text.normalize(point >= 0xff01 && point <= 0xffef ? "NFKC" : "NFD");
  const result = source.toLowerCase().normalize("NFC");
  return source !== text && [...source, ...result].every((character) => isValid(character.codePointAt(0)));
}

const BIDI = {
  Left_To_Right: "L",
  Right_To_Left: "R",
  Arabic_Letter: "AL",
  Arabic_Number: "AN",
  European_Number: "EN",
  European_Separator: "ES",
  Common_Separator: "CS",
  Other_Neutral: "ON",
  Nonspacing_Mark: "NSM",
};
const MARKS = { Nonspacing_Mark: "Mn", Spacing_Mark: "Mc" };

function kindOf(point) {
  if (!isValid(point)) return isMapped(point) ? "mapped" : undefined;
  const [bidi] = bidiClasses.get(point).map((value) => BIDI[value]);
  if (bidi === undefined) throw new Error(`U+${point.toString(16)} has an unforeseen bidi class`);
  const [mark = ""] = (letterDigits.get(point) ?? []).map((value) => MARKS[value]);
  return [scripts.get(point).join(" "), bidi, mark].join(";");
}

function findRanges() {
  const ranges = [];
  for (let point = 0; point <= LAST; point++) {
    const kind = kindOf(point);
    const last = ranges.at(-1);
    if (kind === undefined) continue;
    if (last?.kind === kind && last.end === point - 1) last.end = point;
    else ranges.push({ kind, start: point, end: point });
  }
  return ranges;
}

function encode(ranges, kinds) {
  let next = 0;
  const tokens = ranges.map(({ kind, start, end }) => {
    const numbers = [start - next, end - start + 1, kinds.indexOf(kind)];
    next = end + 1;
    return numbers.map((number) => number.toString(36)).join(".");
  });
  return wrap(tokens);
}

function wrap(tokens) {
  const lines = [""];
  for (const token of tokens) {
    if (lines.at(-1).length + token.length >= 118) lines.push("");
    lines.push(`${lines.pop()}${token} `);
  }
  return lines.map((line) => line.trimEnd()).join("\n");
}

function write(ranges) {
  const kinds = [...new Set(ranges.map(({ kind }) => kind))];
  return `/**
 * Generated by scripts/make-unicode-15.mjs from @unicode/unicode-15.0.0@${version}: do not edit.
 *
 * Unicode data: copyright Unicode, Inc., under the Unicode License, https://www.unicode.org/license.txt.
 */

/** "Script_Extensions;Bidi_Class;mark", or "mapped": not allowed in a name, but mapped to what is. */
export const kinds: readonly string[] = [
${kinds.map((kind) => `  ${JSON.stringify(kind)},`).join("\n")}
];

/** Ranges in ascending order, each "gap.count.kind" in base 36; the gap is from the end of the one before. */
export const ranges = \`
${encode(ranges, kinds)}
\`;
`;
}

const text = write(findRanges());
if (option === undefined) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error("src/names/unicode-15.ts is not what this script makes");
  process.exit(1);
}
