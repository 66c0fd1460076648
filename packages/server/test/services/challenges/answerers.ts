import { NONE } from "../../../src/services/challenges/decoys.js";

/** What a page shows, in its order: days by their numbers, or sums. */
export type Drawn = readonly number[];

/** Picks an option by its place; `NONE` is "none of these". */
type Answerer = (shown: Drawn) => number;
type Historian = (seen: readonly Drawn[], shown: Drawn) => number;

/** The place of the option that is best by a measure: the least wins, the first of equals. */
function placeOfLeast(shown: Drawn, measure: (option: number) => number): number {
  const measured = shown.map(measure);
  return measured.indexOf(Math.min(...measured));
}

const ordered = (shown: Drawn) => [...shown].sort((a, b) => a - b);
const mean = (numbers: Drawn) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

export const median: Answerer = (shown) => shown.indexOf(ordered(shown)[2] ?? Number.NaN);

/** How far an option is from its nearest neighbour. */
const gap = (shown: Drawn, option: number) =>
  Math.min(...shown.filter((other) => other !== option).map((other) => Math.abs(other - option)));

/** Strategies that go by one page. */
export const answerers: Readonly<Record<string, Answerer>> = {
  "the first": () => 0,
  "the second": () => 1,
  "the middle one": () => 2,
  "the fourth": () => 3,
  "the last date": () => 4,
  "none of these, always": () => NONE,
  "the least": (shown) => placeOfLeast(shown, (option) => option),
  "the greatest": (shown) => placeOfLeast(shown, (option) => -option),
  "the median": median,
  "the closest to the mean": (shown) => placeOfLeast(shown, (option) => Math.abs(option - mean(shown))),
  "the farthest from the mean": (shown) => placeOfLeast(shown, (option) => -Math.abs(option - mean(shown))),
  "the most central": (shown) => placeOfLeast(shown, (option) => mean(shown.map((other) => Math.abs(other - option)))),
  "the one that stands alone": (shown) => placeOfLeast(shown, (option) => -gap(shown, option)),
  "one of the closest pair": (shown) => placeOfLeast(shown, (option) => gap(shown, option)),
  "none of these where there is a hole in the middle": (shown) => {
    const [least = 0, , , , greatest = 0] = ordered(shown);
    const middle = (least + greatest) / 2;
    return shown.some((option) => Math.abs(option - middle) < (greatest - least) / 8) ? median(shown) : NONE;
  },
};

function timesSeen(seen: readonly Drawn[]): (option: number) => number {
  const counts = new Map<number, number>();
  for (const page of seen) for (const option of page) counts.set(option, (counts.get(option) ?? 0) + 1);
  return (option) => counts.get(option) ?? 0;
}

/** All that was ever seen, and what of it the last page leaves out. */
const union = (seen: readonly Drawn[], shown: Drawn) => [...new Set([...seen.flat(), ...shown])];
const leftOut = (seen: readonly Drawn[], shown: Drawn) => union(seen, shown).find((option) => !shown.includes(option));

/** `NONE` where the option is not on the page. */
const placeOf = (shown: Drawn, option: number | undefined) => {
  const at = option === undefined ? -1 : shown.indexOf(option);
  return at === -1 ? NONE : at;
};

/** The one of all six that is best by a measure, shown or not. */
function bestOfSix(seen: readonly Drawn[], shown: Drawn, measure: (option: number) => number): number {
  const six = ordered(union(seen, shown));
  return placeOf(shown, six[placeOfLeast(six, measure)]);
}

/** Strategies that go by all that was seen of one person. */
export const historians = {
  "what was seen most often": (seen, shown) => {
    const times = timesSeen(seen);
    return bestOfSix(seen, shown, (option) => -times(option));
  },
  "what was left out most often": (seen, shown) => bestOfSix(seen, shown, timesSeen(seen)),
  "the middle of all six": (seen, shown) => placeOf(shown, ordered(union(seen, shown))[2]),
  "the closest to the mean of all six": (seen, shown) => {
    const middle = mean(union(seen, shown));
    return bestOfSix(seen, shown, (option) => Math.abs(option - middle));
  },
  "what stood first most often": (seen, shown) => {
    const firsts = timesSeen(seen.map(([first = 0]) => [first]));
    return bestOfSix(seen, shown, (option) => -firsts(option));
  },
  "what was never left out twice in a row": (seen, shown) => {
    const repeats = (option: number) =>
      seen.filter((page, index) => index > 0 && !page.includes(option) && !seen[index - 1]?.includes(option)).length;
    return bestOfSix(seen, shown, repeats);
  },
  "none of these when the one that is left out was seen most often": (seen, shown) => {
    const times = timesSeen(seen);
    const missing = leftOut(seen, shown);
    return missing !== undefined && shown.every((option) => times(option) <= times(missing)) ? NONE : median(shown);
  },
  "what took the place of the one that is left out": (seen, shown) => {
    const before = seen.at(-1) ?? [];
    return placeOf(
      shown,
      shown.find((option) => !before.includes(option)),
    );
  },
} as const satisfies Readonly<Record<string, Historian>>;
