import { describe, expect, it } from "vitest";
import { dateOf, dayNumber, parseBirthDate } from "../../../src/services/challenges/calendar.js";
import { expectCode } from "../../barrier/support.js";

const NOW = Date.parse("2026-11-21T12:00:15Z");
const DAY_MS = 86_400_000;

describe("a date of birth", () => {
  it.each([
    ["1970-01-01", 0],
    ["1969-12-31", -1],
    ["1900-01-01", -25_567],
    ["2000-02-29", 11_016],
    ["2024-02-29", 19_782],
    ["2026-11-21", 20_778],
  ])("%s is day %i", (text, day) => {
    expect(parseBirthDate(text, NOW)).toBe(day);
  });

  it.each([
    "1990-02-30",
    "1990-02-29",
    "1900-02-29",
    "2023-04-31",
    "1990-00-10",
    "1990-13-01",
    "1990-01-00",
    "1990-01-32",
    "1899-12-31",
    "0000-01-01",
    "2026-11-22",
    "9999-12-31",
    "",
    "1990-1-1",
    "90-01-01",
    "1990-01-01 ",
    "1990-01-01\n",
    "1990-01-01T00:00:00Z",
    "+1990-01-01",
    "１９９０-01-01",
    "01/02/1990",
    "null",
  ])("is never %j: impossible dates are refused", (text) => {
    expectCode(() => parseBirthDate(text, NOW), "birth_date_impossible");
  });

  it("may be today, by UTC, and not tomorrow", () => {
    const midnight = Date.parse("2026-11-22T00:00:00Z");
    expectCode(() => parseBirthDate("2026-11-22", midnight - 1), "birth_date_impossible");
    expect(parseBirthDate("2026-11-22", midnight)).toBe(20_779);
  });

  it("agrees with the system's calendar on every day of four hundred years", () => {
    const from = Math.floor(Date.UTC(1700, 0, 1) / DAY_MS);
    for (let day = from; day < from + 146_097; day++) {
      const system = new Date(day * DAY_MS);
      const date = { year: system.getUTCFullYear(), month: system.getUTCMonth() + 1, day: system.getUTCDate() };
      if (dayNumber(date) !== day) expect(dayNumber(date)).toBe(day);
      const back = dateOf(day);
      if (back.year !== date.year || back.month !== date.month || back.day !== date.day) expect(back).toEqual(date);
    }
  });
});
