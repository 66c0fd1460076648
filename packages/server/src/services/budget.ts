import type { Budget } from "../records/budget.js";

/**
 * How guesses are paid for. Four wrong ones in a row are free; the fifth closes the budget for 30 s, each further one
 * for twice as long, up to an hour. A guess at a closed budget is not judged and not charged: the answer is the same
 * for a right and a wrong one.
 */
const FREE_FAILURES = 4;
const FIRST_BLOCK_MS = 30_000;
const LONGEST_BLOCK_MS = 3_600_000;

/** So many wrong codes in a row, and codes are refused until a recovery code or an admin reopens the budget. */
export const CODE_FAILURES_MAX = 100;

export type BudgetState =
  | { readonly kind: "open" }
  | { readonly kind: "blocked"; readonly retryAfter: number }
  | { readonly kind: "locked" };

/** What a guess meets at `now` (ms). `retryAfter` is in seconds, rounded up. `lockAt`: failures that lock for good. */
export function budgetState(budget: Budget, now: number, lockAt = Number.POSITIVE_INFINITY): BudgetState {
  if (budget.failures >= lockAt) return { kind: "locked" };
  const wait = budget.blockedUntil - now;
  // A longer block than there is was made by a clock that ran ahead: it must not lock anybody out for years.
  if (wait > 0 && wait <= LONGEST_BLOCK_MS) return { kind: "blocked", retryAfter: Math.ceil(wait / 1000) };
  return { kind: "open" };
}

/** The budget after a wrong guess at `now` (ms). */
export function chargeBudget(budget: Budget, now: number): Budget {
  const failures = budget.failures + 1;
  const doublings = failures - FREE_FAILURES - 1;
  const block = doublings < 0 ? 0 : Math.min(FIRST_BLOCK_MS * 2 ** doublings, LONGEST_BLOCK_MS);
  return { failures, lastFailure: now, blockedUntil: now + block, noted: false };
}
