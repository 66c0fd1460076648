import type { Comparison } from "./statistics.js";

/**
 * What counts as "cannot be told apart": an attacker gets four tries at a name in a day, and hears them through a
 * network. Where the tries are too few to see as much, what known names differ by among themselves counts instead.
 */
export const limits = {
  /** How far the probability of ordering one pair rightly may be from that of a coin. */
  auc: 0.02,
  /** How far the medians may be apart, as a part of themselves. */
  medians: 0.01,
} as const;

/** What tells the one kind of names from the other; empty when nothing does. `control` compares known with known. */
export function whatTells(between: Comparison, control: Comparison): string[] {
  const [median] = between.medians;
  const ends = control.interval.map(Math.abs);
  const reasons: string[] = [];
  if (Math.abs(between.auc - 0.5) > Math.max(limits.auc, 3 * between.aucError)) reasons.push("its AUC");
  if (Math.abs(between.difference) > Math.max(limits.medians * median, ...ends)) reasons.push("its medians");
  return reasons;
}
