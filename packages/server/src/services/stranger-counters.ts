import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { type Budget, untouchedBudget } from "../records/budget.js";
import {
  type CounterQuota,
  deleteStrangerCounter,
  findStrangerCounters,
  getCounterQuota,
  getStrangerCounter,
  putCounterQuota,
  putStrangerCounter,
  scanStrangerCounters,
} from "../records/stranger-counter.js";
import { budgetState, chargeBudget } from "./budget.js";
import type { ServiceContext } from "./context.js";
import { type EndedIn, sweep } from "./sweep.js";

/**
 * The password budgets of strangers, by name. Names cost an attacker nothing, so the counters are bounded: one dies a
 * day after its last failure, and only so many new ones are made in an hour; beyond that every stranger with a name
 * that has no counter is told `busy`, right or wrong, since a wrong guess could not be charged.
 */
const HOUR_MS = 3_600_000;
const LIFETIME_MS = 24 * HOUR_MS;
export const NEW_COUNTERS_AN_HOUR = 10_000;

/** `first`: nothing in the log tells yet that somebody was turned away since the last failure, or in this hour. */
export type GuessVerdict =
  | { readonly kind: "right" }
  | { readonly kind: "wrong" }
  | { readonly kind: "busy"; readonly first: boolean }
  | { readonly kind: "throttled"; readonly first: boolean; readonly retryAfter: number };

/** Judges one password guess of a stranger, and charges it. */
export async function judgeStrangerGuess(
  tx: SealedWriteTransaction,
  nameIndex: Buffer,
  right: boolean,
  now: number,
): Promise<GuessVerdict> {
  const stored = await getStrangerCounter(tx, nameIndex);
  const quota = await getCounterQuota(tx);
  const counter = unlessExpired(stored, now);
  const state = budgetState(counter, now);
  if (state.kind === "blocked") {
    if (!counter.noted) await putStrangerCounter(tx, nameIndex, { ...counter, noted: true });
    return { kind: "throttled", first: !counter.noted, retryAfter: state.retryAfter };
  }
  if (counter.failures === 0 && quotaLeft(quota, now) === 0) {
    if (!quota.noted) await putCounterQuota(tx, { ...quota, noted: true });
    return { kind: "busy", first: !quota.noted };
  }
  if (right) {
    if (stored.failures > 0) await deleteStrangerCounter(tx, nameIndex);
    return { kind: "right" };
  }
  if (counter.failures === 0) await putCounterQuota(tx, takenFrom(quota, now));
  await putStrangerCounter(tx, nameIndex, chargeBudget(counter, now));
  return { kind: "wrong" };
}

/** What strangers have for a name's password, as a guess at `now` (ms) would find it. */
export async function strangerBudget(tx: SealedReadTransaction, nameIndex: Buffer, now: number): Promise<Budget> {
  return unlessExpired(await getStrangerCounter(tx, nameIndex), now);
}

/** The same of many names, which are in the order of their keyed hashes. */
export async function strangerBudgets(
  tx: SealedReadTransaction,
  nameIndexes: readonly Buffer[],
  now: number,
): Promise<(nameIndex: Buffer) => Budget> {
  const found = await findStrangerCounters(tx, nameIndexes);
  return (nameIndex) => unlessExpired(found.get(nameIndex.toString("hex")) ?? untouchedBudget, now);
}

function unlessExpired(counter: Budget, now: number): Budget {
  return isExpired(counter, now) ? untouchedBudget : counter;
}

const hourOf = (now: number) => Math.floor(now / HOUR_MS);

function quotaLeft({ hour, made }: CounterQuota, now: number): number {
  return hour === hourOf(now) ? Math.max(0, NEW_COUNTERS_AN_HOUR - made) : NEW_COUNTERS_AN_HOUR;
}

function takenFrom(quota: CounterQuota, now: number): CounterQuota {
  const hour = hourOf(now);
  return quota.hour === hour ? { ...quota, made: quota.made + 1 } : { hour, made: 1, noted: false };
}

/** A last failure that lies ahead by more than an hour was noted by a clock that ran ahead: it has no end either. */
function isExpired({ lastFailure }: Budget, now: number): boolean {
  return lastFailure + LIFETIME_MS <= now || lastFailure > now + HOUR_MS;
}

/** Deletes the counters that have expired, and what is damaged; run now and then. Returns how many. */
export function sweepStrangerCounters(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { counters, damaged, next } = await scanStrangerCounters(tx, after, limit);
    const expired = counters.filter(({ counter }) => isExpired(counter, now()));
    return { keys: [...expired.map(({ key }) => key), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}
