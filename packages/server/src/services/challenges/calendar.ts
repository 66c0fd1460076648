import { PosternError } from "@postern/shared/errors";

/** Days of the proleptic Gregorian calendar, by a number: 0 is 1970-01-01. */
export interface CalendarDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

declare const birthDay: unique symbol;

/** The number of a day on which somebody may have been born. */
export type BirthDay = number & { readonly [birthDay]: true };

const FIRST_YEAR = 1900;
const DAY_MS = 86_400_000;

/**
 * Reads `YYYY-MM-DD` (RFC 3339 full-date): a day that was, from 1900-01-01 to the day that it is by UTC at `now` (ms).
 * @throws PosternError `birth_date_impossible`
 */
export function parseBirthDate(text: string, now: number): BirthDay {
  const [, year, month, day] = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(text) ?? [];
  const date = { year: Number(year), month: Number(month), day: Number(day) };
  const number = isDate(date) ? dayNumber(date) : Number.NaN;
  if (date.year >= FIRST_YEAR && number <= Math.floor(now / DAY_MS)) return number as BirthDay;
  throw new PosternError("birth_date_impossible");
}

function isDate({ year, month, day }: CalendarDate): boolean {
  return month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month);
}

function daysOf(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

const isLeapYear = (year: number) => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

const ERA_DAYS = 146_097;
/** From 0000-03-01 to 1970-01-01. */
const EPOCH = 719_468;

/**
 * Counts from the first of March, so that the day that comes and goes is the last one of a year: with
 * y = year - [month <= 2] and m = (month + 9) mod 12 it is
 * 365 y + ⌊y/4⌋ - ⌊y/100⌋ + ⌊y/400⌋ + ⌊(153 m + 2)/5⌋ + day - 1, less the days to 1970.
 */
export function dayNumber({ year, month, day }: CalendarDate): number {
  const y = month <= 2 ? year - 1 : year;
  const m = (month + 9) % 12;
  const leaps = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return 365 * y + leaps + Math.floor((153 * m + 2) / 5) + day - 1 - EPOCH;
}

/** The inverse of `dayNumber`: by eras of 400 years, of which each has as many days. */
export function dateOf(number: number): CalendarDate {
  const shifted = number + EPOCH;
  const era = Math.floor(shifted / ERA_DAYS);
  const dayOfEra = shifted - era * ERA_DAYS;
  const leapDays = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const before = 365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  const dayOfYear = dayOfEra - before;
  const m = Math.floor((5 * dayOfYear + 2) / 153);
  const month = m < 10 ? m + 3 : m - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  return { year, month, day: dayOfYear - Math.floor((153 * m + 2) / 5) + 1 };
}
