import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { PageView } from "../../src/services/challenges/answer.js";
import { PAGE_POLICY } from "../../src/web/assets.js";
import { Languages } from "../../src/web/languages.js";
import { gonePage, indexPage, questionPage } from "../../src/web/pages.js";

const now = Date.UTC(2026, 10, 21, 12, 0, 0);
const languages = new Languages();
const english = languages.choose("en", undefined);
const spanish = languages.choose("es", undefined);

const dates: PageView = {
  question: "birth_date_choice",
  options: [{ kind: "date", year: 1985, month: 3, day: 14 }, { kind: "none" }],
  expiresAt: now + 60_000,
};

const shown = (view: PageView, language = english, unanswered = false) =>
  String(questionPage({ view, language, now, unanswered }));

describe("the page that asks", () => {
  it("writes a date with its month as a word, in the page's language", () => {
    expect(shown(dates)).toContain("<span>March 14, 1985</span>");
    expect(shown(dates, spanish)).toContain("<span>14 de marzo de 1985</span>");
    expect(shown(dates, spanish)).toContain('<html lang="es" dir="ltr">');
  });

  it.each([
    ["fa", "۱۴ مارس ۱۹۸۵"],
    ["fa-u-ca-persian", "۱۴ مارس ۱۹۸۵"],
    ["th", "14 มีนาคม ค.ศ. 1985"],
  ])("writes it by the Gregorian calendar in %s too, whose own has another month or year", (tag, date) => {
    const own = new Languages(new Map([[tag, english.texts]])).choose(tag, undefined);
    expect(own.tag).toBe(tag);
    expect(shown(dates, own)).toContain(`<span>${date}</span>`);
  });

  it("numbers its options by their places, with none of these behind them", () => {
    const places = [...shown(dates).matchAll(/value="(\d)" required><span>([^<]*)/g)].map(([, place, text]) => [
      place,
      text,
    ]);
    expect(places).toEqual([
      ["0", "March 14, 1985"],
      ["1", "None of these"],
    ]);
  });

  it("says until when it can be answered, without a script too, and how long that is", () => {
    expect(shown(dates)).toContain('Answer before <time datetime="2026-11-21T12:01:00.000Z">12:01:00</time> UTC.');
    expect(shown(dates)).toContain('data-left="60" hidden');
  });

  it("explains a sum by a date that is always the same", () => {
    const view: PageView = {
      ...dates,
      question: "birth_date_sum",
      options: [{ kind: "sum", sum: 17 }, { kind: "none" }],
    };
    expect(shown(view)).toContain("<p>For 2 January it would be 1 + 2 = 3.</p>");
    expect(shown(view)).toContain("<span>17</span>");
  });

  it("shows an application's own words as text, whatever they are (attack 65)", () => {
    const text = `</legend><script>steal()</script>"'&`;
    const view: PageView = { ...dates, question: "own", text, options: [{ kind: "text", text }] };
    expect(shown(view).match(/<script/g)).toHaveLength(1);
    expect(shown(view).match(/&lt;script&gt;steal\(\)&lt;\/script&gt;&quot;&#39;&amp;/g)).toHaveLength(2);
  });

  it("says so when nothing was chosen", () => {
    expect(shown(dates, english, true)).toContain('<p class="notice" role="alert">Choose one of the answers.</p>');
    expect(shown(dates)).not.toContain("Choose one");
  });

  it("names nothing that is fetched: no address stands in any page", () => {
    for (const page of [shown(dates), String(gonePage(english)), String(indexPage(spanish))]) {
      expect(page).not.toMatch(/\b(?:src|href|action|url)\s*[=(]/i);
    }
  });
});

it("the policy lets the pages' one script and one style run, by their hashes, and nothing else", () => {
  const page = shown(dates);
  for (const [element, directive] of [
    ["script", "script-src"],
    ["style", "style-src"],
  ]) {
    const [, content = ""] = new RegExp(`<${element}>(.*)</${element}>`, "s").exec(page) ?? [];
    const hash = createHash("sha256").update(content).digest("base64");
    expect(PAGE_POLICY).toContain(`${directive} 'sha256-${hash}'; `);
  }
  expect(PAGE_POLICY).toContain("default-src 'none'");
  expect(PAGE_POLICY).not.toMatch(/unsafe|\*/);
});
