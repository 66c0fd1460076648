import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import {
  type Challenge,
  findChallenge,
  type OpenChallenge,
  scanAllChallenges,
} from "../../records/challenges/challenge.js";
import { deleteOpenPage, scanOpenPages } from "../../records/challenges/open-page.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { type EndedIn, sweep } from "../sweep.js";
import { enqueueCallback } from "./outbox.js";
import { aboutChallenge, endChallenge, ended, expiredAt, isInTime } from "./state.js";

/** Pages that are ended in one transaction: logins wait no longer than that takes. */
const PAGE = 64;

/**
 * Notes that time is over, with whom to tell of it. A page is gone the moment that its time is over, whether this has
 * run or not; from then on no clock that is set back revives it. `peer` is who came too late, where somebody did.
 */
export async function expire(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  challenge: OpenChallenge,
  peer?: Peer,
): Promise<void> {
  const endedAt = expiredAt(challenge, context.now());
  await endChallenge(tx, challenge, { state: "expired", endedAt });
  await audit(context, tx, peer, { ...aboutChallenge(challenge), event: "challenge.expire", outcome: "done" });
  const { application, id, subject, callback } = challenge;
  if (callback === undefined || !callback.onExpiry) return;
  await enqueueCallback(context, tx, {
    ...{ application, callback: callback.name, challenge: id, subject },
    ...{ event: "challenge.expired", result: "expired", occurredAt: endedAt },
    ...told(callback),
  });
}

/** What the application wants to be told with the outcome. */
export function told({ clientId, flow }: NonNullable<OpenChallenge["callback"]>) {
  return { ...(clientId !== undefined && { clientId }), ...(flow !== undefined && { flow }) };
}

/** Ends all challenges whose time is over; run every minute. Returns how many. */
export async function expireChallenges(context: ServiceContext, pageSize = PAGE): Promise<number> {
  const { barrier, now } = context;
  let expired = 0;
  let after: Buffer | undefined;
  do {
    const from = after;
    const seen = await barrier.read((tx) => scanOpenPages(tx, from, pageSize));
    const isDue = seen.damaged.length > 0 || seen.pages.some(({ page }) => !isInTime(page, now()));
    if (isDue) expired += await barrier.transact((tx) => expirePage(context, tx, from, pageSize));
    after = seen.next;
  } while (after !== undefined);
  return expired;
}

async function expirePage(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<number> {
  const { pages, damaged } = await scanOpenPages(tx, after, limit);
  for (const key of damaged) await tx.delete(key);
  let expired = 0;
  for (const { id, page } of pages) {
    if (isInTime(page, context.now())) continue;
    const challenge = await findChallenge(tx, page.application, id);
    if (challenge?.state === "open") {
      await expire(context, tx, challenge);
      expired++;
    } else {
      await deleteOpenPage(tx, id);
    }
  }
  return expired;
}

/** What came of a challenge is told for so long; the log keeps it for longer. */
const KEPT_MS = 7 * 86_400_000;

/** One that lies ahead by as much was made by a clock that ran ahead, and would have no end. */
function isForgotten(challenge: Challenge, now: number): boolean {
  const end = challenge.state === "open" ? challenge.expiresAt : challenge.endedAt;
  return end + KEPT_MS <= now || end > now + KEPT_MS;
}

/** Deletes what ended long ago, and what is damaged; run now and then. Returns how many. */
export function sweepChallenges(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { records, damaged, next } = await scanAllChallenges(tx, after, limit);
    const over = records.filter(({ value }) => isForgotten(value, now()));
    return { keys: [...over.map(({ key }) => key), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}

/** As it is in a store that was restored: what was open then may have been answered since, and has ended. */
export function settledChallenge(challenge: Challenge, now: number): Challenge {
  return challenge.state === "open" ? ended(challenge, { state: "expired", endedAt: now }) : challenge;
}
