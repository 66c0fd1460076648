import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import { type Budget, untouchedBudget } from "../../records/budget.js";
import { type BudgetState, budgetState, CODE_FAILURES_MAX, chargeBudget } from "../budget.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import type { Owner } from "./subject.js";

/** What an application is told of a code. Of one that is not valid, never what the right one was. */
export type Verdict =
  | { readonly result: "valid" }
  | { readonly result: "invalid"; readonly why?: Invalid }
  /** It was right once, and is used up: never again. */
  | { readonly result: "replayed" }
  /** It was not judged. Without `retryAfter` (seconds) it is locked, until the application unlocks it. */
  | { readonly result: "throttled"; readonly retryAfter?: number };

export interface Invalid {
  /** Of a one-time code: wrong tries until it is dead. */
  readonly attemptsLeft?: number;
  /** Of a one-time code: its time was over, and nothing was judged. */
  readonly expired?: true;
  /** Of TOTP: seconds that the device is behind, by a code that was right for a step that has passed. */
  readonly clockBehind?: number;
  /** Of HOTP: nothing was judged before two codes in a row say where the device is. */
  readonly resyncNeeded?: true;
}

/** Why a code was not taken, for the log. */
export type GuessFault = "wrong_code" | "replayed_code" | "expired_code" | "spent_code" | "resync_needed";

/** A record that a code is judged by. */
export interface Guessed {
  readonly budget: Budget;
  /** Counts the changes of what is shown. */
  readonly version: number;
}

/** What a code is to a record; with the record as it is after that, but for budget and version. */
export type Judged<R extends Guessed> =
  | { readonly kind: "right"; readonly record: R }
  | { readonly kind: "wrong"; readonly record: R; readonly fault: GuessFault; readonly verdict: Verdict }
  /** Nothing was compared: it costs nothing, and is recorded once. */
  | { readonly kind: "void"; readonly fault: GuessFault; readonly verdict: Verdict };

export interface GuessCase<R extends Guessed> {
  readonly owner: Pick<Owner, "application">;
  readonly subject: string;
  readonly event: `${"otp" | "totp" | "hotp"}.verify` | "hotp.resync";
  /** As the transaction found it. */
  readonly record: R;
  readonly judge: (record: R, now: number) => Judged<R>;
  readonly put: (record: R) => Promise<void>;
}

/**
 * The one path of every code that an application has judged: it meets the budget, is judged, charged or used up, and
 * recorded, all in the caller's transaction. Only once that is durable may the verdict leave.
 */
export async function judgeGuess<R extends Guessed>(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  { owner: { application }, subject, event, record, judge, put }: GuessCase<R>,
): Promise<Verdict> {
  const now = context.now();
  const { budget } = record;
  const refuse = (reason: string) =>
    audit(context, tx, peer, { event, outcome: "refused", reason, application, subject });
  const turnAway = async (reason: string, verdict: Verdict) => {
    if (budget.noted) return verdict;
    await put({ ...record, budget: { ...budget, noted: true } });
    await refuse(reason);
    return verdict;
  };
  const changed = (after: R, paid: Budget) => put({ ...after, budget: paid, version: record.version + 1 });

  const state = budgetState(budget, now, CODE_FAILURES_MAX);
  if (state.kind !== "open") return turnAway(state.kind === "locked" ? "locked" : "throttled", throttled(state));
  const judged = judge(record, now);
  switch (judged.kind) {
    case "void":
      return turnAway(judged.fault, judged.verdict);
    case "wrong":
      await changed(judged.record, chargeBudget(budget, now));
      await refuse(judged.fault);
      return judged.verdict;
    case "right":
      await changed(judged.record, untouchedBudget);
      await audit(context, tx, peer, { event, outcome: "granted", application, subject });
      return { result: "valid" };
  }
}

function throttled(state: Exclude<BudgetState, { kind: "open" }>): Verdict {
  return { result: "throttled", ...(state.kind === "blocked" && { retryAfter: state.retryAfter }) };
}

/** What is shown of a budget. */
export function shownBudget({ failures }: Budget): { failures: number; locked: boolean } {
  return { failures, locked: failures >= CODE_FAILURES_MAX };
}

/** The record once the application has opened its budget again. */
export function unlocked<R extends Guessed>(record: R): R {
  return { ...record, budget: untouchedBudget, version: record.version + 1 };
}
