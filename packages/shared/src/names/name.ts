import { PosternError } from "../errors.js";
import { obeysBidiRule } from "./bidi-rule.js";
import { lookUp, type NameCharacter } from "./characters.js";
import { isSingleScript } from "./single-script.js";

declare const identity: unique symbol;

/** A name as `parseName` gives it: what verifiers, salts and storage keys are made of. */
export type Identity = string & { readonly [identity]: true };

export const MAX_NAME_BYTES = 64;

/** What `detail` of a `name_invalid` can say: which rule was broken. */
export type NameFault =
  | "is empty"
  | "longer than 64 bytes"
  | "has a character that names cannot have"
  | "has no stable form"
  | "begins with a hyphen"
  | "has no letter or digit"
  | "begins with a combining mark"
  | "has too many combining marks in a row"
  | "mixes scripts"
  | "mixes right-to-left with left-to-right";

/** UTF-16 units. No name of 64 bytes has as many, however it was typed: nothing longer is worth the work. */
const MAX_INPUT_UNITS = 256;

/** UTS 39 section 5.4; what people write has up to three on a letter. */
const MAX_MARKS_IN_A_ROW = 4;

/**
 * The identity that a typed name stands for: PRECIS UsernameCaseMapped (RFC 8265 section 3.3) of Unicode 15.0, on
 * every engine. Width-mapped, lower-cased (final sigma included), NFC; 1 to 64 bytes of UTF-8; idempotent.
 *
 * Stricter than the profile: of ASCII only letters, digits and `. _ - @ +`; no hyphen in front (it would read as an
 * option); a letter or digit somewhere; nothing that RFC 8264 allows in some contexts only (join controls, middle
 * dots, Arabic-Indic digits); one script (UTS 39); no flood of combining marks.
 * Wider in one point: input that is canonically the same as an allowed name is that name (conjoining jamo as macOS
 * types them, U+09DC), since one text must not be two names, nor a name and a refusal.
 *
 * Throws `name_invalid`; the detail says which rule was broken, and never shows the name.
 */
export function parseName(text: string): Identity {
  return isPlain(text) ? (text.toLowerCase() as Identity) : parseByTheRules(text);
}

/** What most names are: ASCII that breaks no rule, whatever stands where behind the first. Only its case is mapped. */
function isPlain(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._@+-]*$/.test(text) && text.length <= MAX_NAME_BYTES;
}

/** `parseName` for every text, plain ones too: tests compare the two. */
export function parseByTheRules(text: string): Identity {
  if (text.length === 0) refuse("is empty");
  if (text.length > MAX_INPUT_UNITS) refuse("longer than 64 bytes");
  // Only characters of Unicode 15 pass here. For these, newer engines map as Unicode 15 did: the stability policies of
  // Unicode fix the normal forms and case pairs of every assigned character. Without this line a capital letter that
  // came later (U+A7CB) would be mapped to an old small one by new engines, and refused by others.
  for (const character of text)
    if (lookUpCharacter(character) === undefined) refuse("has a character that names cannot have");
  const name = map(text);
  if (map(name) !== name) refuse("has no stable form");
  checkName(name);
  return name as Identity;
}

/** RFC 8265 section 3.3.3 in its order: width, case, normal form. */
function map(text: string): string {
  return mapWidth(text).toLowerCase().normalize("NFC");
}

/** Fullwidth and halfwidth characters by their decomposition mapping; of those allowed, NFKC has no second step. */
function mapWidth(text: string): string {
  return text.replace(/[\uFF01-\uFFEF]/g, (character) => character.normalize("NFKC"));
}

function checkName(name: string): void {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) refuse("longer than 64 bytes");
  if (name.startsWith("-")) refuse("begins with a hyphen");
  if (/^[._@+-]*$/.test(name)) refuse("has no letter or digit");
  const characters = Array.from(name, (character) => {
    const facts = lookUpCharacter(character);
    return facts === undefined || facts === "mapped" ? refuse("has a character that names cannot have") : facts;
  });
  if (characters[0]?.mark !== undefined) refuse("begins with a combining mark");
  if (countMarksInARow(characters) > MAX_MARKS_IN_A_ROW) refuse("has too many combining marks in a row");
  if (!isSingleScript(characters)) refuse("mixes scripts");
  if (!obeysBidiRule(characters)) refuse("mixes right-to-left with left-to-right");
}

function lookUpCharacter(character: string): NameCharacter | "mapped" | undefined {
  return lookUp(character.codePointAt(0) ?? 0);
}

/** The longest run of nonspacing marks: these pile up on one letter, spacing marks (as in Burmese) stand in line. */
function countMarksInARow(characters: readonly NameCharacter[]): number {
  let longest = 0;
  let run = 0;
  for (const { mark } of characters) {
    run = mark === "Mn" ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

/** The words are fixed: nothing that was typed is ever among them. */
function refuse(detail: NameFault): never {
  throw new PosternError("name_invalid", { detail });
}
