import type { ApplicationId, CallbackId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { allCallbacks, type Callback } from "../../records/challenges/callback.js";
import {
  findShelved,
  type OutboxMessage,
  type Shelved,
  scanShelf,
  shelve,
  shelves,
} from "../../records/challenges/outbox.js";
import { type AuditContext, audit, type ServiceContext } from "../context.js";

/** Messages that could not be delivered. They stay for a month, for the operator to look at, and try again or drop. */
export const KEPT_DEAD_MS = 30 * 24 * 3_600_000;

const PAGE = 256;

export interface DeadLetter extends Shelved {
  readonly callback: Callback;
}

/** As `deadLetters` gives them: no more than a page is held. */
type Letters = Iterable<DeadLetter> | AsyncIterable<DeadLetter>;

export interface DeadFilter {
  readonly application?: ApplicationId | undefined;
  readonly callback?: CallbackId | undefined;
  /** The beginning of the challenge's id. */
  readonly challenge?: string | undefined;
}

/**
 * Those that pass, those of one callback oldest first. A page at a time is in memory. What dies meanwhile is left out:
 * who tries all of them again would come to the same ones without end.
 */
export async function* deadLetters(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  { application, callback: wanted, challenge = "" }: DeadFilter = {},
): AsyncGenerator<DeadLetter> {
  const begun = now();
  const passes = ({ message }: Shelved) => message.challenge.startsWith(challenge) && message.dueAt <= begun;
  for (const callback of await barrier.read(allCallbacks)) {
    if (application !== undefined && callback.application !== application) continue;
    if (wanted !== undefined && callback.id !== wanted) continue;
    let after: Buffer | undefined;
    do {
      const from = after;
      const shelf = { callback: callback.id, shelf: shelves.dead };
      const page = await barrier.read((tx) => scanShelf(tx, shelf, { after: from, limit: PAGE }));
      yield* page.shelved.filter(passes).map((one) => ({ ...one, callback }));
      after = page.next;
    } while (after !== undefined);
  }
}

/** Puts them back among those that wait, as if they had never been tried. Returns how many. */
export function retryDead(context: AuditContext, letters: Letters): Promise<number> {
  return endDead(context, letters, "callback.retry", async (tx, message) => {
    const { fault: _before, ...fresh } = message;
    await shelve(tx, 0, { ...fresh, attempts: 0, dueAt: context.now() });
  });
}

/** Deletes them for good. Returns how many. */
export function dropDead(context: AuditContext, letters: Letters): Promise<number> {
  return endDead(context, letters, "callback.drop", async () => undefined);
}

type Instead = (tx: SealedWriteTransaction, message: OutboxMessage) => Promise<void>;

/** A page a transaction, each with its record; what is no more there, or something else by now, stays as it is. */
async function endDead(
  context: AuditContext,
  letters: Letters,
  event: "callback.retry" | "callback.drop",
  instead: Instead,
): Promise<number> {
  let ended = 0;
  let page: DeadLetter[] = [];
  const endPage = async () => {
    const these = page;
    page = [];
    ended += await context.barrier.transact(async (tx) => {
      let count = 0;
      for (const letter of these) count += await endOne(context, tx, letter, { event, instead });
      return count;
    });
  };
  for await (const letter of letters) {
    page.push(letter);
    if (page.length === PAGE) await endPage();
  }
  if (page.length > 0) await endPage();
  return ended;
}

async function endOne(
  context: AuditContext,
  tx: SealedWriteTransaction,
  { key, message: seen }: DeadLetter,
  { event, instead }: { event: string; instead: Instead },
): Promise<number> {
  const message = await findShelved(tx, key);
  if (message?.challenge !== seen.challenge) return 0;
  await tx.delete(key);
  await instead(tx, message);
  const { application, challenge, subject, callback } = message;
  await audit(context, tx, undefined, { event, outcome: "done", application, challenge, subject, reason: callback });
  return 1;
}

/** Deletes those that are kept for long enough; run now and then. Returns how many. */
export async function sweepDeadLetters({ barrier, now }: Pick<ServiceContext, "barrier" | "now">): Promise<number> {
  let swept = 0;
  for (const { id } of await barrier.read(allCallbacks)) {
    for (;;) {
      // Only what has something to delete takes a place among the transactions that write.
      const seen = await barrier.read((tx) => oldDead(tx, id, now()));
      if (seen.length === 0) break;
      swept += await barrier.transact(async (tx) => {
        const keys = await oldDead(tx, id, now());
        for (const key of keys) await tx.delete(key);
        return keys.length;
      });
    }
  }
  return swept;
}

async function oldDead(tx: SealedReadTransaction, callback: CallbackId, now: number): Promise<Buffer[]> {
  const { shelved, damaged } = await scanShelf(tx, { callback, shelf: shelves.dead }, { limit: PAGE });
  const old = shelved.filter(({ message }) => message.dueAt + KEPT_DEAD_MS <= now);
  return [...old.map(({ key }) => key), ...damaged];
}
