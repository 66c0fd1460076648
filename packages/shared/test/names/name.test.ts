import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PosternError } from "../../src/errors.js";
import { lookUp } from "../../src/names/characters.js";
import { MAX_NAME_BYTES, type NameFault, parseByTheRules, parseName } from "../../src/names/name.js";

/** The name, or the error that was thrown. */
function outcomeOf(text: string, parse = parseName): unknown {
  try {
    return parse(text);
  } catch (error) {
    return error;
  }
}

/** The fault a name is refused for; any other error than a `name_invalid` with a detail fails the test. */
function faultOf(text: string): string | undefined {
  const outcome = outcomeOf(text);
  if (typeof outcome === "string") return undefined;
  if (outcome instanceof PosternError && outcome.code === "name_invalid" && outcome.detail) return outcome.detail;
  throw outcome;
}

function summaryOf(text: string): string {
  const outcome = outcomeOf(text);
  return typeof outcome === "string" ? `name ${outcome}` : `fault ${faultOf(text)}`;
}

const FORBIDDEN: NameFault = "has a character that names cannot have";
const MIXED: NameFault = "mixes scripts";
const BIDI: NameFault = "mixes right-to-left with left-to-right";

describe("names that are kept as they are", () => {
  it.each([
    ["plain", "alice"],
    ["one letter", "a"],
    ["punctuation that the hint promises", "a.b_c-d@e+f"],
    ["digits only: no type guessing", "123"],
    ["leading zeros", "007"],
    ["exponent form", "1e3"],
    ["null", "null"],
    ["true", "true"],
    ["a property of every object", "constructor"],
    ["the prototype", "__proto__"],
    ["accents", "zoë"],
    ["sharp s, an exception that stays", "straße"],
    ["final sigma, an exception that stays", "νίκος"],
    ["dotless i, another letter than i", "ırmak"],
    ["Cyrillic", "алёна"],
    ["Hebrew with digits at the end", "דוד123"],
    ["Hebrew that ends in a vowel point", "\u05D3\u05D5\u05D3\u05B8"],
    ["Arabic", "محمد"],
    ["Devanagari with marks", "हिन्दी"],
    ["Thai with marks", "สมชาย"],
    ["Burmese with a row of marks", "မြန်မာ"],
    ["Japanese in three scripts", "山田タローさん"],
    ["Korean in two scripts", "김金"],
    ["Chinese with Bopomofo", "王ㄨㄤ"],
    ["prolonged sound mark in Katakana", "タロー"],
    ["a new letter of Unicode 15 (Kawi)", "\u{11F04}"],
    ["a letter outside of the basic plane", "𐐨𐐩"],
  ])("%s: %s", (_, name) => {
    expect(parseName(name)).toBe(name);
  });
});

describe("attack 49: variants of a name are one identity", () => {
  it.each([
    ["case", "Alice", "alice"],
    ["case beyond ASCII", "ZOË", "zoë"],
    ["capital sharp s", "STRAẞE", "straße"],
    ["final sigma in capitals", "ΝΊΚΟΣ", "νίκος"],
    ["capital I with a dot keeps it", "İ", "i\u0307"],
    ["Cherokee, whose small letters came late", "ᏣᎳᎩ", "ꮳꮃꭹ"],
    ["fullwidth", "Ａｌｉｃｅ＿１＠ｂ．ｃ", "alice_1@b.c"],
    ["halfwidth Katakana with a voiced mark", "ﾀﾞﾛｰ", "ダロー"],
    ["decomposed accent", "zoe\u0308", "zoë"],
    ["decomposed, in another order", "e\u0323\u0302", "ệ"],
    ["other order of marks", "e\u0302\u0323", "ệ"],
    ["decomposed Korean", "한글".normalize("NFD"), "한글"],
    ["Kelvin sign, canonically K", "\u212Aate", "kate"],
    ["Ångström sign", "\u212Bsa", "åsa"],
    ["Bengali letter that composition excludes", "\u09DC", "\u09A1\u09BC"],
    ["capital with three accents in one character", "ᾈ", "ᾀ"],
    ["the same, decomposed", "ᾈ".normalize("NFD"), "ᾀ"],
    ["Korean compatibility ideograph", "\uF9F4", "林"],
  ])("%s", (_, typed, name) => {
    expect(parseName(typed)).toBe(name);
  });

  it("spaces around a name make no second one: they are refused", () => {
    for (const typed of [" alice", "alice ", "al ice", "alice\u00A0", "alice\u3000", "\talice"])
      expect(faultOf(typed)).toBe(FORBIDDEN);
  });
});

describe("attack 46: what would forge a record or a screen is no name", () => {
  it.each([
    ["carriage return", "alice\r"],
    ["line feed", "alice\nroot"],
    ["null byte", "alice\0"],
    ["escape", "\u001B[2Jalice"],
    ["delete", "alice\u007F"],
    ["C1 control", "alice\u009B31m"],
    ["line separator", "alice\u2028"],
    ["paragraph separator", "alice\u2029"],
    ["right-to-left override", "alice\u202Egpj"],
    ["right-to-left isolate", "\u2067alice"],
    ["Arabic letter mark", "alice\u061C"],
    ["byte order mark", "\uFEFFalice"],
    ["tag", "alice\u{E0041}"],
  ])("%s", (_, name) => {
    expect(faultOf(name)).toBe(FORBIDDEN);
  });
});

describe("names that are refused", () => {
  it.each<[string, string, NameFault]>([
    ["nothing", "", "is empty"],
    ["65 bytes", "a".repeat(65), "longer than 64 bytes"],
    ["66 bytes in 33 letters", "é".repeat(33), "longer than 64 bytes"],
    ["a megabyte", "a".repeat(1 << 20), "longer than 64 bytes"],
    ["an option", "-rf", "begins with a hyphen"],
    ["an option, fullwidth", "－rf", "begins with a hyphen"],
    ["the parent folder", "..", "has no letter or digit"],
    ["punctuation", "@_+", "has no letter or digit"],
    ["space", "a b", FORBIDDEN],
    ["quote that ran a shell command", "a'b", FORBIDDEN],
    ["double quote", 'a"b', FORBIDDEN],
    ["a predecessor's separator", "a:b", FORBIDDEN],
    ["fullwidth colon", "a：b", FORBIDDEN],
    ["Greek varia, canonically a backtick", "a\u1FEF", FORBIDDEN],
    ["Greek question mark, canonically a semicolon", "α\u037E", FORBIDDEN],
    ["emoji", "alice😀", FORBIDDEN],
    ["variation selector", "a\uFE0F", FORBIDDEN],
    ["zero-width joiner", "a\u200Db", FORBIDDEN],
    ["zero-width joiner after a virama", "क्\u200Dष", FORBIDDEN],
    ["zero-width space", "a\u200Bb", FORBIDDEN],
    ["soft hyphen", "a\u00ADb", FORBIDDEN],
    ["combining grapheme joiner", "a\u034Fb", FORBIDDEN],
    ["ligature", "ﬁn", FORBIDDEN],
    ["long s", "ſ", FORBIDDEN],
    ["Roman numeral", "Ⅳ", FORBIDDEN],
    ["superscript", "x²", FORBIDDEN],
    ["mathematical letters", "𝖆𝖑𝖎𝖈𝖊", FORBIDDEN],
    ["circled letter", "ⓐ", FORBIDDEN],
    ["theta symbol that lower-cases to a letter", "ϴ", FORBIDDEN],
    ["Catalan middle dot, allowed by context only", "col·lega", FORBIDDEN],
    ["Arabic-Indic digits, allowed by context only", "محمد٣", FORBIDDEN],
    ["Hangul filler", "\u3164", FORBIDDEN],
    ["a lone jamo", "\u1161", FORBIDDEN],
    ["old jamo", "\u1113\u1161", FORBIDDEN],
    ["private use", "\uE000", FORBIDDEN],
    ["noncharacter", "\uFFFF", FORBIDDEN],
    ["high surrogate alone", "a\uD800", FORBIDDEN],
    ["low surrogate alone", "\uDC00a", FORBIDDEN],
    ["replacement character", "\uFFFD", FORBIDDEN],
    ["an ideograph of Unicode 15.1", "\u{2EBF0}", FORBIDDEN],
    ["a capital of Unicode 16 whose small letter is old", "\uA7CB", FORBIDDEN],
    ["a capital of Unicode 17 whose small letter is old", "\uA7D2", FORBIDDEN],
    ["accent in front", "\u0301a", "begins with a combining mark"],
    ["spacing mark in front", "\u093Fक", "begins with a combining mark"],
    ["a flood of marks: five on a letter", `a${"\u0316".repeat(5)}`, "has too many combining marks in a row"],
    ["enclosing marks", `o${"\u0489\u0300".repeat(15)}`, FORBIDDEN],
    ["Cyrillic а in paypal", "p\u0430ypal", MIXED],
    ["Greek omicron in bob", "b\u03BFb", MIXED],
    ["Latin beside Japanese", "tanaka田中", MIXED],
    ["Japanese beside Korean", "さん김", MIXED],
    ["Bopomofo beside Katakana", "ㄨタ", MIXED],
    ["Arabic mark on a Latin letter", "a\u064B", MIXED],
    ["prolonged sound mark beside Latin", "aー", MIXED],
    ["Latin beside Hebrew", "aדוד", MIXED],
    ["digits before Hebrew", "123דוד", BIDI],
    ["punctuation before Hebrew", "_דוד", BIDI],
    ["hyphen after Hebrew", "דוד-", BIDI],
    ["European beside Hanifi Rohingya digits", "\u{10D00}1\u{10D31}", BIDI],
  ])("%s", (_, name, fault) => {
    expect(faultOf(name)).toBe(fault);
  });

  it.each([..."!\"#$%&'()*,/:;<=>?[\\]^`{|}~ "])("ASCII %j", (symbol) => {
    expect(faultOf(`a${symbol}b`)).toBe(FORBIDDEN);
  });
});

describe("limits", () => {
  it("64 bytes are a name, counted after the mapping", () => {
    expect(parseName("a".repeat(64))).toHaveLength(64);
    expect(parseName("é".repeat(32))).toHaveLength(32);
    expect(parseName("Ａ".repeat(64))).toBe("a".repeat(64));
  });

  it("the longest decomposed forms of 64 bytes are taken", () => {
    const name = "ΐ".repeat(32);
    expect(parseName(name.normalize("NFD"))).toBe(name);
  });

  it("four marks on a letter are a name", () => {
    const name = "x\u0316\u0317\u0318\u0319";
    expect(parseName(name)).toBe(name);
  });

  it("a refused name never shows in the error", () => {
    const error = outcomeOf("secret name");
    expect(error).toBeInstanceOf(PosternError);
    expect(inspect(error)).toContain(FORBIDDEN);
    expect(inspect(error)).not.toContain("secret name");
  });
});

describe("a plain name, which is not looked at by each rule, has the verdict of the rules", () => {
  const ascii = Array.from({ length: 0x80 }, (_, point) => String.fromCharCode(point));
  const allowed = [..."azAZ09._@+-"];

  function expectSame(text: string): void {
    const [short, long] = [outcomeOf(text), outcomeOf(text, parseByTheRules)];
    const same = typeof long === "string" ? short === long : faultOf(text) === (long as PosternError).detail;
    if (!same) expect.unreachable(JSON.stringify(text));
  }

  it("every text of up to two ASCII characters, and every one of three between allowed ones", () => {
    for (const first of ["", ...ascii]) for (const second of ascii) expectSame(first + second);
    for (const first of allowed)
      for (const second of ascii) for (const third of allowed) expectSame(first + second + third);
  });

  it("every ASCII character at both ends of the longest, and of one too long", () => {
    for (const length of [63, 64, 65]) {
      for (const character of ascii) expectSame(character + "a".repeat(length - 1));
      for (const character of ascii) expectSame("a".repeat(length - 1) + character);
    }
  });

  it("texts of any length, of ASCII and of its look-alikes", () => {
    const unit = fc.constantFrom(...allowed, ..."kKsSiI", "\u212A", "\u017F", "\u0130", "\u0131", "Ａ", "\n", "\0");
    const texts = fc.oneof(
      fc.string({ unit: "grapheme-ascii", maxLength: 70 }),
      fc.string({ unit: fc.constantFrom(...allowed), maxLength: 70 }),
      fc.string({ unit, maxLength: 8 }),
    );
    fc.assert(fc.property(texts, expectSame), { numRuns: 5000 });
  });
});

describe("whatever is typed", () => {
  const alphabet = [..."aAzZ019._@+-éÉßẞσΣςаЯדم١\u0301\u0323Ａｶﾞ漢かカ한\u1112\u1161\u11AB𐐀İIıKﬁ \u200D😀\uD800"];
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
    fc.string({
      unit: fc.integer({ min: 0xa0, max: 0x10ff }).map((point) => String.fromCodePoint(point)),
      maxLength: 3,
    }),
  );

  it("is a name or a name_invalid, and a name is its own identity, within limits and of allowed characters", () => {
    let names = 0;
    fc.assert(
      fc.property(texts, (text) => {
        if (faultOf(text) !== undefined) return;
        names++;
        const name = parseName(text);
        expect(parseName(name)).toBe(name);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(MAX_NAME_BYTES);
        expect(name).toMatch(/^[\p{L}\p{Nd}\p{M}\u06FD\u06FE\u0F0B\u3007._@+-]+$/u);
        expect(name).toBe(name.toLowerCase().normalize("NFC"));
        for (const character of name) expect(lookUp(character.codePointAt(0) ?? 0)).toBeTypeOf("object");
      }),
      { numRuns: 5000 },
    );
    expect(names).toBeGreaterThan(100);
  });

  it("is the same name in NFC, NFD, and after a change of case that keeps the letters", () => {
    for (let point = 0x80; point <= 0x10ffff; point++) {
      const character = String.fromCodePoint(point);
      if (lookUp(point) === undefined) continue;
      const variants = [character.normalize("NFD"), character.normalize("NFC"), character.toLowerCase()];
      for (const variant of variants.filter((variant) => variant !== character))
        if (summaryOf(`${variant}x`) !== summaryOf(`${character}x`)) expect.unreachable(`U+${point.toString(16)}`);
    }
  });
});
