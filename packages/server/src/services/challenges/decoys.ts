import { type BirthDay, dateOf } from "./calendar.js";
import { type Bytes, below, keyedBytesOf, shuffled } from "./draw.js";

/**
 * Dates to hide a date of birth among. A key parts all days into groups of six, once and for all, whatever anybody's date
 * is: what is shown is five of the six days of the group in which the true one lies. So a page would have come about in
 * the same way, and as likely, if any other of its group were the true date, and so would any number of pages: who
 * knows no more than what is seen is right once in six times.
 *
 * Days that were drawn around the true one would not do: it would be in their middle more often than not. Nor days that
 * are drawn anew for each page: those of two pages have little more than the true one in common.
 */
const WINDOW_DAYS = 60;
export const GROUP_DAYS = 6;

/** Days on a page; behind them stands "none of these". */
export const SHOWN_DAYS = GROUP_DAYS - 1;

/** Where "none of these" stands among the options. */
export const NONE = SHOWN_DAYS;

/**
 * The six days of which `day` is one, in their order. The days are cut into windows of 60, from an offset that the key
 * gives; each window is put in an order that the key gives, and cut into ten groups of six. An order in which two days
 * of a group have the same sum of month and day is passed over: one in fifteen, more or less, is not.
 */
export function groupOf(key: Buffer, day: BirthDay): readonly number[] {
  const window = windowOf(key, day);
  const days = Array.from({ length: WINDOW_DAYS }, (_, index) => window.first + index);
  const sums = new Map(days.map((one) => [one, sumOf(one)]));
  const areDistinct = (group: readonly number[]) => new Set(group.map((one) => sums.get(one))).size === GROUP_DAYS;
  const next = keyedBytesOf(key, `window ${window.index}`);
  for (;;) {
    const own = drawGroups(days, areDistinct, next)?.find((group) => group.includes(day));
    if (own !== undefined) return own.sort((a, b) => a - b);
  }
}

/** All days in groups, unless one of them is not fit: then the rest need not be drawn. */
function drawGroups(
  days: readonly number[],
  isFit: (group: readonly number[]) => boolean,
  next: Bytes,
): number[][] | undefined {
  const left = [...days];
  const groups: number[][] = [];
  while (left.length > 0) {
    const group = Array.from({ length: GROUP_DAYS }, () => left.splice(below(left.length, next), 1)).flat();
    if (!isFit(group)) return undefined;
    groups.push(group);
  }
  return groups;
}

/** Window i is the days from 60 i + offset on. */
export function windowOf(key: Buffer, day: number): { readonly index: number; readonly first: number } {
  const offset = below(WINDOW_DAYS, keyedBytesOf(key, "offset"));
  const index = Math.floor((day - offset) / WINDOW_DAYS);
  return { index, first: index * WINDOW_DAYS + offset };
}

/** Month and day of the month, added. */
export function sumOf(day: number): number {
  const date = dateOf(day);
  return date.month + date.day;
}

export interface DrawnDays {
  /** Five of the group, in the order in which they stand on the page. */
  readonly shown: readonly number[];
  /** Where the true one stands, or `NONE`. */
  readonly right: number;
}

/** Draws a page: which day of the group is left out, and the order of the others. */
export function drawDays(group: readonly number[], truth: BirthDay, next: Bytes): DrawnDays {
  const omitted = below(group.length, next);
  const shown = shuffled(group.toSpliced(omitted, 1), next);
  const at = shown.indexOf(truth);
  return { shown, right: at === -1 ? NONE : at };
}
