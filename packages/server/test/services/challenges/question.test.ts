import { describe, expect, it } from "vitest";
import { parseLocale, tagForLog } from "../../../src/services/challenges/locale.js";
import { drawPageId, parsePageId } from "../../../src/services/challenges/page-id.js";
import { parseOwnQuestion } from "../../../src/services/challenges/question.js";
import { expectCode } from "../../barrier/support.js";

describe("an application's own question", () => {
  it("has texts of any script, in one form of Unicode", () => {
    const asked = { text: "¿Cómo se llama tu perro?", answer: "Canelo\u0301n", decoys: ["Бобик", "🐕 Rex"] };
    expect(parseOwnQuestion(asked)).toMatchObject({ answer: "Canelón", decoys: asked.decoys });
  });

  it.each([
    ["an answer twice", { decoys: ["Rex"] }],
    ["an answer that looks like another", { decoys: ["  rex "] }],
    ["an answer that is another in wide letters", { decoys: ["Ｒｅｘ"] }],
    ["decoys that look alike", { decoys: ["Bella", "BELLA"] }],
    ["no decoys", { decoys: [] }],
    ["ten decoys", { decoys: Array.from({ length: 10 }, (_, n) => `dog ${n}`) }],
    ["an empty answer", { answer: "" }],
    ["an answer of spaces", { answer: "  " }],
    ["a question of spaces", { text: " " }],
    ["a long answer", { answer: "x".repeat(101) }],
    ["a long question", { text: "x".repeat(301) }],
    ["lines", { text: "Which\nof them?" }],
    ["an escape sequence", { decoys: ["\u001b]52;c;\u0007"] }],
    ["a turn of direction", { answer: "\u202exeR" }],
    ["what does not show", { decoys: ["Re\u200bx"] }],
    ["half a character", { answer: "\ud83d" }],
    ["an answer that is another and a filler", { decoys: ["Rex\u3164"] }],
    ["an answer that is another and a selector of variants", { decoys: ["R\ufe0fex"] }],
    ["an answer of blanks that are no spaces", { answer: "\u2800\u3164" }],
  ])("is refused with %s", (_what, more) => {
    const asked = { text: "Which was your first pet?", answer: "Rex", decoys: ["Bella", "Luna"], ...more };
    expectCode(() => parseOwnQuestion(asked), "question_invalid");
  });
});

describe("a language", () => {
  it("is one of those that there are, in whatever case, and spelled in one way", () => {
    expect(parseLocale("ES", ["en", "es", "pt-BR"])).toBe("es");
    expect(parseLocale("pt-br", ["en", "es", "pt-BR"])).toBe("pt-BR");
    for (const text of ["de", "es-MX", "", "e", "en\n"])
      expectCode(() => parseLocale(text, ["en", "es"]), "locale_unknown");
  });

  it("is in the log by its tag, or as not determined", () => {
    expect(["en", "pt-BR", "zh-Hant-TW"].map(tagForLog)).toEqual(["en", "pt-BR", "zh-Hant-TW"]);
    expect(["", "e", "en_US", "en;q=1", "en\n", "a".repeat(9), `en${"-abc".repeat(20)}`].map(tagForLog)).toEqual(
      Array(7).fill("und"),
    );
  });
});

describe("the id of a page", () => {
  it("is 128 random bits in one spelling, of which the challenge's id tells nothing", () => {
    // SHA-256("postern challenge page" | 0 | 16 zero bytes), by another implementation.
    const zeros = drawPageId((size) => Buffer.alloc(size));
    expect(zeros).toEqual({ text: "AAAAAAAAAAAAAAAAAAAAAA", id: "chl_6034efc1644679908e554112a0630ef5" });
    expect(parsePageId(zeros.text)).toBe(zeros.id);
    for (const text of ["AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAA", `${zeros.text}A`, `${zeros.text}==`, ""]) {
      expect(parsePageId(text)).toBeUndefined();
    }
  });
});
