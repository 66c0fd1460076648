import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { displayWidth, escapeForTerminal } from "../src/escape.js";

/** Undoes the escapes: that this exists shows that no two texts look the same. */
function undo(shown: string): string {
  return shown.replace(/\\(\\|x([0-9a-f]{2})|u\{([0-9a-f]+)\})/g, (_, all, byte, point) =>
    all === "\\" ? "\\" : String.fromCodePoint(Number.parseInt(byte ?? point, 16)),
  );
}

const DANGEROUS =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/u;

describe("attacks 46 and 61: a terminal gets no more than text", () => {
  it.each([
    ["OSC 52, which sets the clipboard", "\u001B]52;c;ZXZpbA==\u0007", "\\x1b]52;c;ZXZpbA==\\x07"],
    ["CSI, which clears the screen", "\u001B[2Jalice", "\\x1b[2Jalice"],
    ["the one-byte CSI of C1", "\u009B2Jalice", "\\x9b2Jalice"],
    ["next line of C1", "a\u0085b", "a\\x85b"],
    ["CR LF, which forges a record", "alice\r\nroot logged in", "alice\\x0d\\x0aroot logged in"],
    ["tab and backspace", "a\tb\b", "a\\x09b\\x08"],
    ["null and delete", "\0\u007F", "\\x00\\x7f"],
    ["line and paragraph separators", "a\u2028b\u2029", "a\\u{2028}b\\u{2029}"],
    ["right-to-left override", "photo\u202Egpj.exe", "photo\\u{202e}gpj.exe"],
    ["isolates, marks and the Arabic letter mark", "\u2066\u2069\u200F\u061C", "\\u{2066}\\u{2069}\\u{200f}\\u{61c}"],
    ["zero-width characters", "a\u200B\u200D\u2060\uFEFF", "a\\u{200b}\\u{200d}\\u{2060}\\u{feff}"],
    ["soft hyphen and Hangul filler", "\u00AD\u3164", "\\xad\\u{3164}"],
    ["variation selector", "\u2764\uFE0F", "\u2764\\u{fe0f}"],
    ["tags, which hide text", "\u{E0041}", "\\u{e0041}"],
    ["private use", "\uE0B0", "\\u{e0b0}"],
    ["unassigned and noncharacters", "\u0378\uFFFE", "\\u{378}\\u{fffe}"],
    ["lone surrogates", "\uD83D!\uDE00", "\\u{d83d}!\\u{de00}"],
    ["a mark that would stand on the text before", "\u0301a", "\\u{301}a"],
    ["a flood of marks", `a${"\u0300".repeat(6)}`, "a\u0300\u0300\u0300\u0300\\u{300}\\u{300}"],
    ["a backslash, lest it look like an escape", "\\x1b", "\\\\x1b"],
  ])("%s", (_, text, shown) => {
    expect(escapeForTerminal(text)).toBe(shown);
  });

  it.each([
    "alice",
    "",
    "a 'quoted' \"text\" ~",
    "zoë",
    "νίκος",
    "דוד",
    "महान",
    "山田さん",
    "한글",
    "😀",
    "naïve café…",
  ])("%j stays", (text) => {
    expect(escapeForTerminal(text)).toBe(text);
  });
});

describe("whatever the text", () => {
  const points = fc.oneof(
    fc.integer({ min: 0, max: 0x10ffff }),
    fc.integer({ min: 0, max: 0x2fff }),
    fc.constantFrom(0x1b, 0x5c, 0x78, 0x75, 0x7b, 0x7d, 0x31, 0x62, 0x300, 0x202e, 0xd83d, 0xde00, 0x4e00),
  );
  const texts = fc.array(points, { maxLength: 30 }).map((list) => list.map((p) => String.fromCodePoint(p)).join(""));

  it("nothing dangerous is left, and different texts stay different", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const shown = escapeForTerminal(text);
        expect(shown).not.toMatch(DANGEROUS);
        expect(undo(shown)).toBe(text);
      }),
      { numRuns: 3000 },
    );
  });

  it("no character of Unicode gets through that this engine calls dangerous", () => {
    for (let point = 0; point <= 0x10ffff; point++) {
      const shown = escapeForTerminal(`a${String.fromCodePoint(point)}`);
      if (DANGEROUS.test(shown)) expect.unreachable(`U+${point.toString(16)}`);
    }
  });

  it("fits in `max` columns, and its length is bounded too", () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 40 }), (text, max) => {
        const shown = escapeForTerminal(text, { max });
        expect(displayWidth(shown)).toBeLessThanOrEqual(max);
        expect(Array.from(shown).length).toBeLessThanOrEqual(5 * max);
        const whole = escapeForTerminal(text);
        expect(shown).toBe(displayWidth(whole) <= max ? whole : `${shown.slice(0, -1)}…`);
        expect(whole.startsWith(shown.slice(0, -1))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("max", () => {
  it.each([
    ["what fits exactly stays", "alice", 5, "alice"],
    ["what is longer ends in an ellipsis", "alice", 4, "ali…"],
    ["an escape is never cut in two", "ab\u001B", 5, "ab…"],
    ["nor a wide character", "山田", 3, "山…"],
    ["a wide character has no half", "山田", 2, "…"],
    ["marks go with their letter", "e\u0301e\u0301e\u0301", 2, "e\u0301…"],
    ["one column", "ab", 1, "…"],
    ["no text", "", 1, ""],
  ])("%s", (_, text, max, shown) => {
    expect(escapeForTerminal(text, { max })).toBe(shown);
  });
});

describe("columns of a text", () => {
  it.each([
    ["", 0],
    ["alice", 5],
    ["zoë", 3],
    ["zoe\u0308", 3],
    ["山田", 4],
    ["한글", 4],
    ["한글".normalize("NFD"), 4],
    ["が".normalize("NFD"), 2],
    ["ﾀﾛｰ", 3],
    ["Ａ", 2],
    ["😀", 2],
    ["⌚", 2],
    ["❤", 1],
    ["𠮷", 2],
    ["สวัสดี", 4],
    ["█▀▄", 3],
    ["…", 1],
  ])("%s takes %i", (text, columns) => {
    expect(displayWidth(text)).toBe(columns);
  });
});
