/** The arithmetic of the figures. */

/** The nearest rank: the least value that so many per cent of all are not above. */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How far the rounds of one figure lie apart. */
export function spread(rounds) {
  return { min: Math.min(...rounds), median: median(rounds), max: Math.max(...rounds) };
}

/**
 * Round by round, what one figure is of another: what slows the machine down for a while is in both, and cancels; a
 * quotient of two medians would have it in one of them.
 */
export function ratios(these, those) {
  if (these.length !== those.length) throw new Error("rounds that were not taken side by side");
  return these.map((value, round) => value / those[round]);
}

/** Round by round, all of them together. */
export const sums = (...figures) =>
  figures[0].map((_, round) => figures.reduce((sum, rounds) => sum + rounds[round], 0));
