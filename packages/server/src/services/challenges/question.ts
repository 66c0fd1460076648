import { PosternError } from "@postern/shared/errors";
import type { Barrier } from "../../barrier/barrier.js";
import type { ChallengePage } from "../../records/challenges/challenge.js";
import { isOneLine } from "../applications/subject.js";
import { type BirthDay, type CalendarDate, dateOf } from "./calendar.js";
import { drawDays, groupOf, sumOf } from "./decoys.js";
import { type Bytes, below, shuffled } from "./draw.js";

/** What a challenge asks, and with it the answer. */
export type Question = BirthDateQuestion | OwnQuestion;

export interface BirthDateQuestion {
  /** `birth_date`: one of the two others, as chance will have it. */
  readonly kind: "birth_date" | "birth_date_choice" | "birth_date_sum";
  readonly birthDay: BirthDay;
}

declare const own: unique symbol;

/** The application's own question. */
export type OwnQuestion = OwnTexts & { readonly kind: "own"; readonly [own]: true };

export interface OwnTexts {
  readonly text: string;
  readonly answer: string;
  readonly decoys: readonly string[];
}

export const ownLimits = { text: 300, option: 100, decoys: { least: 1, most: 9 } } as const;

/** No two options may look alike: who is right must not depend on which of them is taken. @throws PosternError `question_invalid` */
export function parseOwnQuestion({ text, answer, decoys }: OwnTexts): OwnQuestion {
  const asked: OwnTexts = { text: normalized(text), answer: normalized(answer), decoys: decoys.map(normalized) };
  const options = [asked.answer, ...asked.decoys];
  const isFit =
    isOneLine(asked.text, ownLimits.text) &&
    options.every((option) => isOneLine(option, ownLimits.option) && folded(option) !== "") &&
    new Set(options.map(folded)).size === options.length &&
    decoys.length >= ownLimits.decoys.least &&
    decoys.length <= ownLimits.decoys.most;
  if (!isFit || folded(asked.text) === "") throw new PosternError("question_invalid");
  return { kind: "own", ...asked } as OwnQuestion;
}

const normalized = (text: string) => text.normalize("NFC");

/** Without what a reader does not see: case, width, how many spaces there are, fillers and other blanks. */
function folded(text: string): string {
  const seen = text.replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "").replaceAll("\u2800", " ");
  return seen.normalize("NFKC").toLowerCase().replaceAll(/\s+/gu, " ").trim();
}

/** What a page shows, and which of its options is the right one. */
export interface LaidOut {
  readonly page: ChallengePage;
  readonly right: number;
}

/**
 * Prepares a question: what it gives draws a page. The key of all dates is one of the store's, whoever asks and about
 * whom: pages of two applications about one person, or of one that spells its subject in two ways, have the same six
 * dates, and not the true one alone, in common.
 */
export function prepareQuestion(barrier: Pick<Barrier, "decoy">, question: Question): (next: Bytes) => LaidOut {
  if (question.kind === "own") return (next) => layOutOwn(question, next);
  const { birthDay, kind } = question;
  const group = groupOf(barrier.decoy("challenge dates", "", KEY_BYTES), birthDay);
  return (next) => {
    const bySum = kind === "birth_date" ? below(2, next) === 1 : kind === "birth_date_sum";
    const { shown, right } = drawDays(group, birthDay, next);
    if (bySum) return { page: { question: "birth_date_sum", sums: shown.map(sumOf) }, right };
    return { page: { question: "birth_date_choice", days: [...shown] }, right };
  };
}

const KEY_BYTES = 32;

function layOutOwn({ text, answer, decoys }: OwnQuestion, next: Bytes): LaidOut {
  const options = shuffled([answer, ...decoys], next);
  return { page: { question: "own", text, options }, right: options.indexOf(answer) };
}

/** An option as a page shows it: by data, of which the page makes words of its language. */
export type PageOption =
  | ({ readonly kind: "date" } & CalendarDate)
  | { readonly kind: "sum"; readonly sum: number }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "none" };

/** The options in their order; a choice is the place of one, from 0 on. */
export function optionsOf(page: ChallengePage): readonly PageOption[] {
  switch (page.question) {
    case "birth_date_choice":
      return [...page.days.map((day) => ({ kind: "date", ...dateOf(day) }) as const), { kind: "none" }];
    case "birth_date_sum":
      return [...page.sums.map((sum) => ({ kind: "sum", sum }) as const), { kind: "none" }];
    case "own":
      return page.options.map((text) => ({ kind: "text", text }) as const);
  }
}
