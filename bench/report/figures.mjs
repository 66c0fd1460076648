import { spread } from "./statistics.mjs";

/**
 * What a part of the bench hands over: `figures`, `aims`, and `notes` on how it was measured. The identifier of a figure
 * is what the plot and other programs know it by.
 */

/** A figure that was taken in several rounds. */
export const figure = (id, what, unit, rounds) => ({ id, what, unit, ...spread(rounds), rounds });

/** Makes the figures of one case of several, whose rounds are called `case.name`; `shown` tells people which it is. */
export const figuresOf =
  (part, one, shown, lists) =>
  (name, what, unit, rounds = lists[`${one}.${name}`]) =>
    figure(`${part}.${one}.${name}`, `${shown} ${what}`, unit, rounds);

/** Of an event loop that was watched, by a maker of figures. */
export const delayFigures = (of) => [
  of("delay_p50", "event-loop delay, p50", "ms"),
  of("delay_p99", "event-loop delay, p99", "ms"),
  of("delay_max", "event-loop delay, the worst", "ms"),
];

/** An aim is judged by the median of a figure; its `bound` is "at most", "below" or "at least". */
export function aim(what, bound, wanted, { median: measured, unit }) {
  const kept = { "at most": measured <= wanted, below: measured < wanted, "at least": measured >= wanted }[bound];
  return { what, bound, wanted, unit, measured, kept };
}

/** The rounds of many figures at once: a round hands over an object of numbers, and each of its names has a list. */
export async function inRounds(count, round) {
  const lists = {};
  for (let index = 0; index < count; index++) {
    for (const [name, value] of Object.entries(await round(index))) {
      lists[name] ??= [];
      lists[name].push(value);
    }
  }
  return lists;
}
