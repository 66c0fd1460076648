import type { Budget } from "../records/budget.js";

/**
 * How guesses are paid for. So many wrong ones in a row are free; the next closes the budget for a while, each further
 * one for twice as long, up to a longest. A guess at a closed budget is not judged and not charged: the answer is the
 * same for a right and a wrong one.
 */
export interface Tariff {
  readonly freeFailures: number;
  readonly firstBlockMs: number;
  readonly longestBlockMs: number;
}

/** What passwords and codes cost, of which each guess is one of many thousands. */
const guesses: Tariff = { freeFailures: 4, firstBlockMs: 30_000, longestBlockMs: 3_600_000 };

/** So many wrong codes in a row, and codes are refused until a recovery code or an admin reopens the budget. */
export const CODE_FAILURES_MAX = 100;

export type BudgetState =
  | { readonly kind: "open" }
  | { readonly kind: "blocked"; readonly retryAfter: number }
  | { readonly kind: "locked" };

/** What a guess meets at `now` (ms). `retryAfter` is in seconds, rounded up. `lockAt`: failures that lock for good. */
export function budgetState(
  budget: Budget,
  now: number,
  lockAt = Number.POSITIVE_INFINITY,
  { longestBlockMs }: Tariff = guesses,
): BudgetState {
  if (budget.failures >= lockAt) return { kind: "locked" };
  const wait = budget.blockedUntil - now;
  // A longer block than there is was made by a clock that ran ahead: it must not lock anybody out for years.
  if (wait > 0 && wait <= longestBlockMs) return { kind: "blocked", retryAfter: Math.ceil(wait / 1000) };
  return { kind: "open" };
}

/** The budget after a wrong guess at `now` (ms). */
export function chargeBudget(budget: Budget, now: number, tariff: Tariff = guesses): Budget {
  const failures = budget.failures + 1;
  const doublings = failures - tariff.freeFailures - 1;
  const block = doublings < 0 ? 0 : Math.min(tariff.firstBlockMs * 2 ** doublings, tariff.longestBlockMs);
  return { failures, lastFailure: now, blockedUntil: now + block, noted: false };
}
