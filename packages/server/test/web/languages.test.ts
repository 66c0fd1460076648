import { describe, expect, it } from "vitest";
import { gatherPageTexts, parsePageTexts } from "../../src/page-texts.js";
import { Languages } from "../../src/web/languages.js";
import { en } from "../../src/web/texts/en.js";

const french = { ...en, title: "Une question pour vous" };

describe("the language of a page", () => {
  const languages = new Languages(new Map([["fr", french]]));

  it.each([
    ["es", undefined, "es"],
    ["ES", "en", "es"],
    ["es-MX", "en", "es"],
    [undefined, "es-AR,es;q=0.9,en;q=0.8", "es"],
    [undefined, "de, fr;q=0.3, es;q=0.2", "fr"],
    [undefined, "en;q=0.1, es;q=0.9", "es"],
    [undefined, "es;q=0, fr", "fr"],
    [undefined, "de", "en"],
    [undefined, "*", "en"],
    [undefined, undefined, "en"],
    [undefined, `${"x".repeat(300)},es`, "en"],
    [undefined, "es;q=nonsense", "en"],
    ["xx", "es", "en"],
  ])("is, by the page's %s and the browser's %s, %s", (tag, header, chosen) => {
    expect(languages.choose(tag, header).tag).toBe(chosen);
  });

  it("may be of the operator, also in the place of one that comes with the server", () => {
    expect(languages.tags).toEqual(["en", "es", "fr"]);
    expect(new Languages(new Map([["en", french]])).choose("en", undefined).texts.title).toBe(french.title);
  });
});

describe("a file of texts", () => {
  it("is named by its language, in the one spelling of its tag", () => {
    expect(parsePageTexts("pt-br.json", JSON.stringify(french))).toEqual(["pt-BR", french]);
  });

  it.each([
    ["a name that is no tag", "french language.json", JSON.stringify(french), "named by the tag"],
    ["no JSON", "fr.json", "{", "no JSON"],
    ["a member that is missing", "fr.json", JSON.stringify({ ...french, send: undefined }), "send"],
    ["a member that is not known", "fr.json", JSON.stringify({ ...french, extra: "x" }), "fr.json"],
    ["a time that stands nowhere", "fr.json", JSON.stringify({ ...french, timeLeft: "time left" }), "timeLeft"],
    ["a time twice", "fr.json", JSON.stringify({ ...french, answerBefore: "{time}, {time}" }), "answerBefore: {time}"],
  ])("is refused with %s, saying where", (_what, name, content, told) => {
    expect(() => parsePageTexts(name, content)).toThrow(told);
  });

  it("is the only one of its language in its folder, however that is spelled", () => {
    const content = JSON.stringify(french);
    expect([
      ...gatherPageTexts([
        ["fr.json", content],
        ["pt-BR.json", content],
      ]).keys(),
    ]).toEqual(["fr", "pt-BR"]);
    for (const [one, other] of [
      ["pt-BR.json", "pt-br.json"],
      ["he.json", "iw.json"],
    ] as const) {
      const gather = () =>
        gatherPageTexts([
          [one, content],
          [other, content],
        ]);
      expect(gather).toThrow(expect.objectContaining({ code: "page_texts_invalid" }));
      expect(gather).toThrow(`${one} and ${other}`);
    }
  });
});
