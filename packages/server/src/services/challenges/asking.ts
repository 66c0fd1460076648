import type { ApplicationId, ChallengeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { type Budget, untouchedBudget } from "../../records/budget.js";
import { type Asked, type Asking, findAsking, putAsking, scanAsking } from "../../records/challenges/asking.js";
import { findOpenPage } from "../../records/challenges/open-page.js";
import type { Owner, Subject } from "../applications/subject.js";
import { budgetState, chargeBudget, type Tariff } from "../budget.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { type EndedIn, sweep } from "../sweep.js";
import { isInTime } from "./state.js";

/**
 * How often an application may ask one subject. All pages of a person have the same six dates, so who takes another one
 * each time is right on one of n pages with the probability n/6, and what counts is how many pages there are: one wrong
 * answer is free, the second in a row keeps new pages back for a day, each further one for twice as long, up to 30 days.
 * A right one begins the count anew.
 *
 * It is judged when a page is made and not when it is answered: a page that was there, and is gone since another one was
 * answered, would tell its reader that the other answer was wrong. So pages that are open count as if they would be
 * answered wrongly, or whoever has a hundred made at once would have a hundred guesses.
 */
const DAY_MS = 86_400_000;
const tariff: Tariff = { freeFailures: 1, firstBlockMs: DAY_MS, longestBlockMs: 30 * DAY_MS };

/** A subject that nobody answers for is as good as new after so long; a closed budget is open again long before. */
const KEPT_MS = 180 * DAY_MS;

interface Of {
  readonly application: ApplicationId;
  readonly subject: string;
}

const askedOf = ({ barrier }: Pick<ServiceContext, "barrier">, { application, subject }: Of): Asked => ({
  application,
  subjectIndex: barrier.nameIndex(`challenge\0${application}\0${subject}`),
});

/**
 * Takes a place for a page that is about to be made; or gives the seconds to wait, which is recorded once until the next
 * page is made or answered.
 */
export async function askOnceMore(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  { application, subject, id }: Of & { readonly id: ChallengeId },
): Promise<number | undefined> {
  const of = askedOf(context, { application, subject });
  const now = context.now();
  const { budget, pages, askedAt } = await currentAsking(tx, of, now);
  const open = await openAmong(tx, pages, now);
  const state = budgetState(budget, now, undefined, tariff);
  const retryAfter = state.kind === "blocked" ? state.retryAfter : waitForPlace(budget.failures, open, now);
  if (retryAfter === undefined) {
    const ids = [...open.map((page) => page.id), id];
    await putAsking(tx, of, { budget: { ...budget, noted: false }, pages: ids, askedAt: now });
    return undefined;
  }
  if (!budget.noted) {
    await putAsking(tx, of, { budget: { ...budget, noted: true }, pages, askedAt });
    const about = { application, subject, reason: "throttled" };
    await audit(context, tx, peer, { ...about, event: "challenge.create", outcome: "refused" });
  }
  return retryAfter;
}

interface OpenOne {
  readonly id: ChallengeId;
  readonly expiresAt: number;
}

async function openAmong(tx: SealedReadTransaction, ids: readonly ChallengeId[], now: number): Promise<OpenOne[]> {
  const open: OpenOne[] = [];
  for (const id of ids) {
    const page = await findOpenPage(tx, id);
    if (page !== undefined && isInTime(page, now)) open.push({ id, expiresAt: page.expiresAt });
  }
  return open;
}

/** Seconds until a page ends; undefined while the open ones could all be answered wrongly, and one more. */
function waitForPlace(failures: number, open: readonly OpenOne[], now: number): number | undefined {
  const places = Math.max(1, tariff.freeFailures + 1 - failures);
  if (open.length < places) return undefined;
  return Math.ceil((Math.min(...open.map(({ expiresAt }) => expiresAt)) - now) / 1000);
}

/** Counts an answer, in the transaction that it is recorded in. */
export async function noteAnswer(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  of: Of,
  result: "right" | "wrong",
): Promise<void> {
  const now = context.now();
  const asked = askedOf(context, of);
  const asking = await currentAsking(tx, asked, now);
  const budget = result === "right" ? begunAnew(now) : chargeBudget(asking.budget, now, tariff);
  await putAsking(tx, asked, { ...asking, budget });
}

/** With times of the same length as a wrong one's: the size of a sealed record must not tell them apart. */
const begunAnew = (now: number): Budget => ({ ...untouchedBudget, lastFailure: now, blockedUntil: now });

/**
 * Forgets the wrong answers of a subject, for who mistyped or whom somebody else has had kept back. Pages that are open
 * count on. Whether there was anything to forget is not told.
 * @throws PosternError `store_damaged`
 */
export function unlockSubject(
  context: ServiceContext,
  peer: Peer,
  { application }: Pick<Owner, "application">,
  subject: Subject,
): Promise<void> {
  return context.barrier.transact(async (tx) => {
    const asked = askedOf(context, { application, subject });
    const asking = await findAsking(tx, asked);
    if (asking !== undefined) await putAsking(tx, asked, { ...asking, budget: begunAnew(context.now()) });
    await audit(context, tx, peer, { event: "challenge.unlock", outcome: "done", application, subject });
  });
}

async function currentAsking(tx: SealedReadTransaction, asked: Asked, now: number): Promise<Asking> {
  const found = await findAsking(tx, asked);
  return found === undefined || isOver(found, now) ? { budget: untouchedBudget, pages: [], askedAt: now } : found;
}

/** What lies ahead by as much as it is kept was written by a clock that ran ahead, and would have no end. */
function isOver({ budget, askedAt }: Asking, now: number): boolean {
  const last = Math.max(budget.lastFailure, askedAt);
  return last + KEPT_MS <= now || last > now + KEPT_MS;
}

/** Deletes what is over, and what is damaged; run now and then. Returns how many. */
export function sweepAsking(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { records, damaged, next } = await scanAsking(tx, after, limit);
    const over = records.filter(({ value }) => isOver(value, now()));
    return { keys: [...over.map(({ key }) => key), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}
