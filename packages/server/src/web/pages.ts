import type { PageView } from "../services/challenges/answer.js";
import type { PageOption } from "../services/challenges/question.js";
import { scriptElement, styleElement } from "./assets.js";
import { type Html, html } from "./html.js";
import type { Language } from "./languages.js";

/** What people see: each page is whole, and all that is in it comes from its arguments. */

export interface Question {
  readonly view: PageView;
  readonly language: Language;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Whether something was sent without a choice. */
  readonly unanswered: boolean;
}

/** The page that asks. Its form goes to where the page is. */
export function questionPage({ view, language, now, unanswered }: Question): Html {
  const { texts } = language;
  const notice = unanswered ? html`<p class="notice" role="alert">${texts.chooseOne}</p>` : html``;
  return page(
    language,
    texts.title,
    html`<form method="post" autocomplete="off">
<fieldset>
<legend><h1>${askedIn(view, language)}</h1></legend>
${view.question === "birth_date_sum" ? html`<p>${texts.sumExample}</p>` : html``}
${notice}
${view.options.map((option, place) => choice(option, place, language))}
</fieldset>
<button>${texts.send}</button>
</form>
<p>${texts.oneAnswer}</p>
${time(view, language, now)}`,
  );
}

function askedIn({ question, text = "" }: PageView, { texts }: Language): string {
  if (question === "own") return text;
  return question === "birth_date_sum" ? texts.birthDateSum : texts.birthDateChoice;
}

function choice(option: PageOption, place: number, language: Language): Html {
  return html`<label><input type="radio" name="choice" value="${place}" required><span>${shown(option, language)}</span></label>
`;
}

function shown(option: PageOption, { tag, texts }: Language): string {
  switch (option.kind) {
    case "date":
      return dateFormat(tag).format(Date.UTC(option.year, option.month - 1, option.day));
    case "sum":
      return String(option.sum);
    case "text":
      return option.text;
    case "none":
      return texts.noneOfThese;
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * The day with its month as a word: 3/4 would be two dates. By the calendar that birth dates are given in, also where a
 * language has another one: 14 March is not in the third month of that. There are as many formats as languages.
 */
function dateFormat(tag: string): Intl.DateTimeFormat {
  const style = { dateStyle: "long", timeZone: "UTC", calendar: "gregory" } as const;
  const format = formats.get(tag) ?? new Intl.DateTimeFormat(tag, style);
  formats.set(tag, format);
  return format;
}

/** Until when, by the clock, for everyone; and how long still, where a script can count it down. */
function time({ expiresAt }: PageView, { texts }: Language, now: number): Html {
  const left = Math.max(0, Math.floor((expiresAt - now) / 1000));
  const until = new Date(expiresAt).toISOString();
  const [before, after = ""] = texts.answerBefore.split("{time}");
  const [untilLeft, afterLeft = ""] = texts.timeLeft.split("{time}");
  return html`<p>${before ?? ""}<time datetime="${until}">${until.slice(11, 19)}</time>${after}</p>
<p role="timer" data-left="${left}" hidden>${untilLeft ?? ""}<span data-shown></span>${afterLeft}</p>
<p class="notice" role="alert" data-over hidden>${texts.timeIsOver}</p>`;
}

/** What stands where there is no page to answer, whatever the reason. It carries nothing of anybody. */
export function gonePage(language: Language): Html {
  const { goneTitle, gone } = language.texts;
  return page(
    language,
    goneTitle,
    html`<h1>${goneTitle}</h1>
<p>${gone}</p>`,
  );
}

/** What stands at the root, where nobody has to be. */
export function indexPage(language: Language): Html {
  const { indexTitle, index } = language.texts;
  return page(
    language,
    indexTitle,
    html`<h1>${indexTitle}</h1>
<p>${index}</p>`,
  );
}

function page({ tag, texts }: Language, title: string, body: Html): Html {
  return html`<!doctype html>
<html lang="${tag}" dir="${texts.direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
${styleElement}
</head>
<body>
<main>
${body}
</main>
${scriptElement}
</body>
</html>
`;
}
