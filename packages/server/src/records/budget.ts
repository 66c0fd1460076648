import { z } from "zod";
import { instant } from "./codec.js";

/** How many guesses in a row went wrong, and until when none is taken. The rule that moves it is services/budget. */
export const budgetSchema = z.strictObject({
  failures: z.number().int().nonnegative(),
  lastFailure: instant,
  blockedUntil: instant,
  /** Whether the log tells of a guess that was turned away since the last failure: one such record is enough. */
  noted: z.boolean().default(false),
});
export type Budget = z.infer<typeof budgetSchema>;

export const untouchedBudget: Budget = { failures: 0, lastFailure: 0, blockedUntil: 0, noted: false };
