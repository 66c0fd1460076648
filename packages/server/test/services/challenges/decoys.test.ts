import { describe, expect, it } from "vitest";
import type { BirthDay } from "../../../src/services/challenges/calendar.js";
import { drawDays, GROUP_DAYS, groupOf, NONE, sumOf, windowOf } from "../../../src/services/challenges/decoys.js";
import { below, keyedBytesOf, shuffled } from "../../../src/services/challenges/draw.js";
import { answerers, type Drawn, historians, median } from "./answerers.js";

/** All chance is of this seed: what holds, holds each time. */
const SEED = Buffer.from("the seed of the tests of decoys");
const keyOf = (n: number) => Buffer.from(keyedBlock(`key ${n}`));
const keyedBlock = (label: string) => {
  const next = keyedBytesOf(SEED, label);
  return Array.from({ length: 32 }, next);
};
const FIRST_DAY = -25_567;
/** From 1900 to 2026. */
const ALL_DAYS = 46_345;
/** From 1984 to 2003: groups enough, and none is drawn anew for each page. */
const SOME_YEARS = { from: 5113, days: 7305 };

/** Remembers the groups of a key, of which many a page is drawn. */
function remembering(key: Buffer): (day: BirthDay) => readonly number[] {
  const groups = new Map<number, readonly number[]>();
  return (day) => {
    const known = groups.get(day);
    if (known !== undefined) return known;
    const group = groupOf(key, day);
    for (const member of group) groups.set(member, group);
    return group;
  };
}

const someDay = (next: () => number, { from, days } = { from: FIRST_DAY, days: ALL_DAYS }) =>
  (from + (((next() << 16) | (next() << 8) | next()) % days)) as BirthDay;

/** So far from blind chance lies a count of n tries in less than one of a million seeds. */
const SIGMAS = 5;
const within = (n: number, p: number) => SIGMAS * Math.sqrt((p * (1 - p)) / n);

describe("the group of a date", () => {
  it("is the same whichever of its six days is the true one", () => {
    for (let key = 0; key < 40; key++) {
      const day = someDay(keyedBytesOf(SEED, `day ${key}`));
      const group = groupOf(keyOf(key), day);
      expect(group).toContain(day);
      for (const other of group) expect(groupOf(keyOf(key), other as BirthDay)).toEqual(group);
    }
  });

  it("has six days with six sums, within a window of sixty, and ten groups are the window", () => {
    for (let key = 0; key < 12; key++) {
      const { first } = windowOf(keyOf(key), someDay(keyedBytesOf(SEED, `day ${key}`)));
      const groups = new Set<string>();
      const days = new Set<number>();
      for (let day = first; day < first + 60; day++) {
        const group = groupOf(keyOf(key), day as BirthDay);
        expect(new Set(group.map(sumOf)).size).toBe(GROUP_DAYS);
        groups.add(group.join());
        for (const member of group) days.add(member);
      }
      expect(groups.size).toBe(10);
      expect([...days].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, index) => first + index));
    }
  });

  it("is found wherever in the year the window begins, in leap years too", () => {
    const key = keyOf(0);
    for (let day = FIRST_DAY; day < FIRST_DAY + 4 * 366 + 60; day += 60)
      expect(groupOf(key, day as BirthDay)).toHaveLength(6);
    for (let offset = 0; offset < 366; offset += 3) {
      const day = (19_700 + offset) as BirthDay;
      expect(groupOf(keyOf(offset), day)).toContain(day);
    }
  });

  it("lies in windows that tile all days, with an offset that is any of sixty alike", () => {
    const counts = new Array<number>(60).fill(0);
    const keys = 3000;
    for (let key = 0; key < keys; key++) {
      const { index, first } = windowOf(keyOf(key), 0);
      expect(windowOf(keyOf(key), first)).toEqual({ index, first });
      expect(windowOf(keyOf(key), first + 59)).toEqual({ index, first });
      expect(windowOf(keyOf(key), first + 60)).toEqual({ index: index + 1, first: first + 60 });
      expect(windowOf(keyOf(key), first - 1)).toEqual({ index: index - 1, first: first - 60 });
      counts[-first] = (counts[-first] ?? 0) + 1;
    }
    expect(counts).toHaveLength(60);
    for (const count of counts) expect(Math.abs(count / keys - 1 / 60)).toBeLessThan(within(keys, 1 / 60));
  });

  it("puts the true date at each of its six places alike", () => {
    const places = new Array<number>(6).fill(0);
    const tries = 1500;
    for (let key = 0; key < tries; key++) {
      const day = someDay(keyedBytesOf(SEED, `place ${key}`));
      const at = groupOf(keyOf(key), day).indexOf(day);
      places[at] = (places[at] ?? 0) + 1;
    }
    for (const count of places) expect(Math.abs(count / tries - 1 / 6)).toBeLessThan(within(tries, 1 / 6));
  });
});

describe("a page", () => {
  it("shows the same, by the same chance, whichever day of the group is the true one", () => {
    const group = groupOf(keyOf(1), 0 as BirthDay);
    for (let page = 0; page < 200; page++) {
      const pages = group.map((day) => drawDays(group, day as BirthDay, keyedBytesOf(SEED, `page ${page}`)));
      expect(new Set(pages.map(({ shown }) => shown.join())).size).toBe(1);
      // Each of the six answers is the right one for exactly one of the six.
      expect(pages.map(({ right }) => right).sort()).toEqual([0, 1, 2, 3, 4, 5]);
    }
  });

  it("leaves out each day of a group alike, and shows each at each place alike", () => {
    const group = groupOf(keyOf(2), 0 as BirthDay);
    const next = keyedBytesOf(SEED, "left out");
    const pages = 6000;
    const counts = new Map<string, number>();
    for (let page = 0; page < pages; page++) {
      const { shown } = drawDays(group, group[0] as BirthDay, next);
      for (const day of group) {
        const place = `${day} at ${shown.indexOf(day)}`;
        counts.set(place, (counts.get(place) ?? 0) + 1);
      }
    }
    expect(counts.size).toBe(36);
    for (const count of counts.values()) expect(Math.abs(count / pages - 1 / 6)).toBeLessThan(within(pages, 1 / 6));
  });
});

describe("who sees the options and knows nothing else", () => {
  const PAGES = 10_000;
  const right = new Map<string, number>();
  const score = (who: string, hit: boolean) => right.set(who, (right.get(who) ?? 0) + Number(hit));
  const expectChance = (who: string, tries: number) =>
    expect(Math.abs((right.get(who) ?? 0) / tries - 1 / 6), who).toBeLessThan(within(tries, 1 / 6));

  it("is right one time in six over ten thousand pages, by dates and by sums, whatever the option that is taken", () => {
    const next = keyedBytesOf(SEED, "ten thousand pages");
    const groups = remembering(keyOf(3));
    for (let page = 0; page < PAGES; page++) {
      const truth = someDay(next, SOME_YEARS);
      const drawn = drawDays(groups(truth), truth, next);
      const asked = page % 2 === 0 ? drawn.shown : drawn.shown.map(sumOf);
      for (const [who, answer] of Object.entries(answerers)) score(who, answer(asked) === drawn.right);
    }
    for (const who of Object.keys(answerers)) expectChance(who, PAGES);
  });

  it("is right one time in six at the hundred and first page of one person, whatever was seen before", () => {
    const persons = 800;
    const next = keyedBytesOf(SEED, "a hundred pages each");
    const groups = remembering(keyOf(4));
    for (let person = 0; person < persons; person++) {
      const truth = someDay(next, SOME_YEARS);
      const group = groups(truth);
      const seen: Drawn[] = Array.from({ length: 100 }, () => drawDays(group, truth, next).shown);
      const last = drawDays(group, truth, next);
      for (const [who, answer] of Object.entries(historians)) score(who, answer(seen, last.shown) === last.right);
    }
    for (const who of Object.keys(historians)) expectChance(who, persons);
  });

  it("and who takes another of the six each time is right on exactly one of six pages, told or not", () => {
    const next = keyedBytesOf(SEED, "another each time");
    const groups = remembering(keyOf(5));
    for (let person = 0; person < 200; person++) {
      const truth = someDay(next, SOME_YEARS);
      const group = groups(truth);
      const pages = shuffled(group, next).map((day) => {
        const { shown, right } = drawDays(group, truth, next);
        return right === (shown.includes(day) ? shown.indexOf(day) : NONE);
      });
      expect(pages.filter((isRight) => isRight)).toHaveLength(1);
    }
  });

  it("and these answerers do find a truth that decoys give away", () => {
    const next = keyedBytesOf(SEED, "given away");
    const hits = { middle: 0, repeated: 0 };
    for (let person = 0; person < 300; person++) {
      const truth = someDay(next);
      const around = () =>
        shuffled(
          [truth, ...Array.from({ length: 4 }, (_, i) => truth + (i % 2 === 0 ? 1 : -1) * (1 + below(60, next)))],
          next,
        );
      const last = around();
      hits.middle += Number(last[median(last)] === truth);
      const seen = Array.from({ length: 10 }, around);
      hits.repeated += Number(last[historians["what was seen most often"](seen, last)] === truth);
    }
    expect(hits.middle / 300).toBeGreaterThan(0.3);
    expect(hits.repeated / 300).toBeGreaterThan(0.9);
  });
});

describe("drawing", () => {
  it("gives every order of three alike, and every number below a bound", () => {
    const next = keyedBytesOf(SEED, "orders");
    const orders = new Map<string, number>();
    const tries = 6000;
    for (let n = 0; n < tries; n++) {
      const order = shuffled("abc".split(""), next).join("");
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect([...orders.keys()].sort()).toEqual(["abc", "acb", "bac", "bca", "cab", "cba"]);
    for (const count of orders.values()) expect(Math.abs(count / tries - 1 / 6)).toBeLessThan(within(tries, 1 / 6));
  });

  it("leaves out the bytes that would favour the first numbers", () => {
    const bytes = [255, 254, 253, 252, 251, 250, 249, 7];
    const next = () => bytes.shift() ?? 0;
    // 240 to 255 are left out of 256 by sixty.
    expect(below(60, next)).toBe(7);
    expect(bytes).toHaveLength(0);
  });

  it("has NONE behind the five that are shown", () => {
    expect(NONE).toBe(5);
  });
});
