import { count, flag, instant, type ValueOf } from "./kinds.js";
import { missable, record } from "./record-kind.js";

/** How many guesses in a row went wrong, and until when none is taken. The rule that moves it is services/budget. */
export const budgetKind = record({
  failures: count,
  lastFailure: instant,
  blockedUntil: instant,
  /** Whether the log tells of a guess that was turned away since the last failure: one such record is enough. */
  noted: missable(flag, false),
});
export type Budget = ValueOf<typeof budgetKind>;

export const untouchedBudget: Budget = { failures: 0, lastFailure: 0, blockedUntil: 0, noted: false };
