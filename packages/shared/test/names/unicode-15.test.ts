import { describe, expect, it } from "vitest";
import { lookUp } from "../../src/names/characters.js";

/** RFC 8264 section 9.6; CONTEXTO stands among what is never allowed. */
const ALWAYS = /[\u00DF\u03C2\u06FD\u06FE\u0F0B\u3007]/u;
const NEVER = /[\u0640\u07FA\u302E\u302F\u3031-\u3035\u303B\u00B7\u0375\u05F3\u05F4\u30FB\u0660-\u0669\u06F0-\u06F9]/u;
const LETTER_DIGIT = /[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]/u;
const IGNORABLE = /[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/u;
const JAMO = /[\u1100-\u11FF\uA960-\uA97F\uD7B0-\uD7FF]/u;

/** RFC 8264 section 8 with the properties of this engine, whose Unicode is 15.0 or newer. */
function isValidHere(character: string): boolean {
  if (NEVER.test(character)) return false;
  if (ALWAYS.test(character)) return true;
  return (
    LETTER_DIGIT.test(character) &&
    !IGNORABLE.test(character) &&
    !JAMO.test(character) &&
    character.normalize("NFKC") === character
  );
}

const allowedBeyondAscii = Array.from({ length: 0x110000 - 0x80 }, (_, index) => index + 0x80).flatMap((point) => {
  const facts = lookUp(point);
  return facts === undefined || facts === "mapped" ? [] : [{ character: String.fromCodePoint(point), point, facts }];
});

describe("the table of Unicode 15.0", () => {
  it("has only characters that RFC 8264 allows, by this engine's own properties", () => {
    const wrong = allowedBeyondAscii.filter(({ character }) => !isValidHere(character));
    expect(wrong).toEqual([]);
  });

  it("has as many of them as Unicode 15.0 has, however many this engine knows", () => {
    expect(allowedBeyondAscii).toHaveLength(134_881);
  });

  it.each([
    ["Kawi, new in 15.0", 0x11f04, true],
    ["CJK extension H, new in 15.0", 0x31350, true],
    ["Nag Mundari, new in 15.0", 0x1e4d0, true],
    ["CJK extension I, new in 15.1", 0x2ebf0, false],
    ["Garay, new in 16.0", 0x10d4a, false],
    ["Todhri, new in 16.0", 0x105c0, false],
    ["Sidetic, new in 17.0", 0x10940, false],
    ["CJK extension J, new in 17.0", 0x323b0, false],
  ])("%s", (_, point, allowed) => {
    expect(lookUp(point) !== undefined).toBe(allowed);
  });

  it("tells marks and right-to-left letters as this engine does", () => {
    const wrong = allowedBeyondAscii.filter(({ character, facts: { mark, bidi, scripts } }) => {
      if (/\p{M}/u.test(character) !== (mark !== undefined)) return true;
      if (mark !== undefined) return false;
      return (scripts.includes("Hebrew") && bidi !== "R") || (scripts.includes("Latin") && bidi !== "L");
    });
    expect(wrong).toEqual([]);
  });

  it("gives a letter of one script that script, as this engine does", () => {
    const scripts = ["Latin", "Greek", "Cyrillic", "Hebrew", "Arabic", "Han", "Hiragana", "Katakana", "Hangul", "Thai"];
    for (const script of scripts) {
      const here = new RegExp(`\\p{Script=${script}}`, "u");
      const wrong = allowedBeyondAscii.filter(
        ({ character, facts }) => here.test(character) && !facts.scripts.includes(script),
      );
      expect([script, wrong]).toEqual([script, []]);
    }
  });

  it("has of ASCII letters, digits and six signs", () => {
    const found = Array.from({ length: 128 }, (_, point) => String.fromCodePoint(point)).filter(
      (character) => lookUp(character.charCodeAt(0)) !== undefined,
    );
    expect(found.join("")).toBe("+-.0123456789@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
  });

  it("knows nothing beyond its ends", () => {
    expect([lookUp(0), lookUp(-1), lookUp(0x10ffff), lookUp(0x110000)]).toEqual(Array(4).fill(undefined));
  });
});
