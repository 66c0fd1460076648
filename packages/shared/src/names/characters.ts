import { kinds, ranges } from "./unicode-15.js";

/** RFC 5893's classes, as far as characters that names may have are of them. */
export type BidiClass = "L" | "R" | "AL" | "EN" | "ES" | "CS" | "AN" | "NSM" | "ON";

/** What Unicode 15.0 says of a character that a name may have. */
export interface NameCharacter {
  /** Script_Extensions, by their long names; `Common` and `Inherited` go with every script. */
  readonly scripts: readonly string[];
  readonly bidi: BidiClass;
  /** General_Category of a combining mark: nonspacing or spacing. */
  readonly mark?: "Mn" | "Mc";
}

interface Table {
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly facts: readonly (NameCharacter | "mapped")[];
}

let table: Table | undefined;

/**
 * The facts of a code point that is PVALID in the IdentifierClass (RFC 8264 section 8) of Unicode 15.0; `"mapped"` for
 * one that is not, but that the mapping of names turns into such; `undefined` for all others. Of ASCII, only letters,
 * digits and `. _ - @ +` are allowed. CONTEXTJ and CONTEXTO are refused: no rule about neighbours can then be wrong.
 */
export function lookUp(point: number): NameCharacter | "mapped" | undefined {
  table ??= decode();
  const { starts, ends, facts } = table;
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (point > (ends[middle] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return point >= (starts[low] ?? Number.POSITIVE_INFINITY) ? facts[low] : undefined;
}

function decode(): Table {
  const known = kinds.map(readKind);
  const tokens = ranges.trim().split(/\s/);
  const starts = new Uint32Array(tokens.length);
  const ends = new Uint32Array(tokens.length);
  let next = 0;
  const facts = tokens.map((token, index) => {
    const [gap = 0, count = 0, kind = 0] = token.split(".").map((digits) => Number.parseInt(digits, 36));
    starts[index] = next + gap;
    next += gap + count;
    ends[index] = next - 1;
    return known[kind] ?? "mapped";
  });
  return { starts, ends, facts };
}

function readKind(kind: string): NameCharacter | "mapped" {
  if (kind === "mapped") return kind;
  const [scripts = "", bidi, mark] = kind.split(";");
  const facts = { scripts: scripts.split(" "), bidi: bidi as BidiClass };
  return mark === "Mn" || mark === "Mc" ? { ...facts, mark } : facts;
}
