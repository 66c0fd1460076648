import type { CallbackId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { type Callback, getCallback } from "../../records/challenges/callback.js";
import {
  callbackRange,
  findShelved,
  type OutboxMessage,
  outboxRange,
  type Shelved,
  scanShelf,
  shelfOf,
  shelfRange,
  shelve,
  shelves,
} from "../../records/challenges/outbox.js";
import { type AuditContext, audit } from "../context.js";
import { hostAndPort } from "./callback-url.js";

/**
 * Who delivers which message. Several processes may deliver from one store: each takes messages by a lease, in a
 * transaction, so that no two have one at once; when a process dies, the lease runs out and another takes it over. So a
 * message may come twice, and never not at all.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** How long a message waits behind each try, ± 20 %; behind the last it is dead. */
export const delays = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
  12 * HOUR,
] as const;
export const TRIES = delays.length + 1;
const SPREAD = 0.2;

/** Several times what a try can take. */
export const LEASE_MS = MINUTE;

/** The longest that anything waits: what seems to be due later was written by a clock that was set back. */
const LONGEST_MS = 12 * HOUR * (1 + SPREAD);

const isDue = ({ dueAt }: OutboxMessage, now: number) => dueAt <= now || dueAt - now > LONGEST_MS;

/** A callback that has something to deliver. */
export interface DueCallback {
  readonly callback: Callback;
  readonly host: string;
  /** Since when its oldest message is due. */
  readonly since: number;
}

export interface Glance {
  readonly due: readonly DueCallback[];
  /** When the next message becomes due; undefined when none waits. */
  readonly next: number | undefined;
  /** Callbacks that are no more, with messages that are left of them. */
  readonly orphaned: readonly CallbackId[];
  /** Callbacks that do not open: nobody has given up what waits for them, and it goes on waiting. */
  readonly unreadable: readonly CallbackId[];
  /** The keys of messages that do not open: nobody can be told of them, and they must not stand in front of others. */
  readonly damaged: readonly Buffer[];
}

/** Looks at the first message of each shelf: it takes no longer when a hundred thousand wait. */
export async function glance(tx: SealedReadTransaction, now: number): Promise<Glance> {
  const due = new Map<CallbackId, DueCallback>();
  const orphaned = new Set<CallbackId>();
  const unreadable = new Set<CallbackId>();
  const damaged: Buffer[] = [];
  let next: number | undefined;
  for await (const shelf of waitingShelves(tx, outboxRange(), 1)) {
    damaged.push(...shelf.damaged);
    const [message] = shelf.shelved.map((one) => one.message);
    if (message === undefined) continue;
    const callback = await getCallback(tx, { application: message.application, id: message.callback });
    if (callback === undefined) orphaned.add(message.callback);
    else if (callback === "damaged") unreadable.add(message.callback);
    else if (isDue(message, now)) {
      const since = Math.min(message.dueAt, due.get(callback.id)?.since ?? message.dueAt);
      due.set(callback.id, { callback, host: hostAndPort(callback.target.url), since });
    } else next = Math.min(message.dueAt, next ?? message.dueAt);
  }
  return { due: [...due.values()], next, orphaned: [...orphaned], unreadable: [...unreadable], damaged };
}

/** The shelves in a range that anything stands on, but those of the dead; of each the first `limit` messages. */
async function* waitingShelves(tx: SealedReadTransaction, range: { from: Buffer; to: Buffer }, limit: number) {
  let { from } = range;
  for (;;) {
    const [key] = await tx.keys({ from, to: range.to, limit: 1 });
    if (key === undefined) return;
    const shelf = shelfOf(key);
    if (shelf.shelf !== shelves.dead) yield await scanShelf(tx, shelf, { limit });
    from = shelfRange(shelf).to;
  }
}

/** A message that is one's own to deliver, until its lease runs out. */
export interface Claimed {
  readonly key: Buffer;
  readonly message: OutboxMessage;
  readonly callback: Callback;
}

/** Takes at most `count` messages of a callback, those that are due for longest. */
export async function claim(
  context: AuditContext,
  tx: SealedWriteTransaction,
  { id, application }: Pick<Callback, "id" | "application">,
  count: number,
): Promise<Claimed[]> {
  const callback = await getCallback(tx, { id, application });
  if (callback === undefined || callback === "damaged") return [];
  const now = context.now();
  const due: Shelved[] = [];
  for await (const { shelved } of waitingShelves(tx, callbackRange(id), count)) {
    due.push(...shelved.filter(({ message }) => isDue(message, now)));
  }
  const claimed: Claimed[] = [];
  for (const { key, message } of due.sort((a, b) => a.message.dueAt - b.message.dueAt).slice(0, count)) {
    await tx.delete(key);
    // Each try ended with the process that made it.
    if (message.attempts >= TRIES) await bury(context, tx, message, "abandoned");
    else claimed.push({ ...(await lease(context, tx, message)), callback });
  }
  return claimed;
}

async function lease({ now, random }: AuditContext, tx: SealedWriteTransaction, message: OutboxMessage) {
  const leased = { ...message, attempts: message.attempts + 1, dueAt: now() + LEASE_MS, lease: random(16) };
  return { key: await shelve(tx, shelves.leased, leased), message: leased };
}

/** Deletes what still does not open. Returns how many that were. */
export async function dropDamaged(tx: SealedWriteTransaction, keys: readonly Buffer[]): Promise<number> {
  let dropped = 0;
  for (const key of keys) {
    if ((await findShelved(tx, key)) !== undefined) continue;
    await tx.delete(key);
    dropped += 1;
  }
  return dropped;
}

/** What came of a try. `final`: there is no use in another. */
export type Result =
  | { readonly of: "delivered" }
  | { readonly of: "failed"; readonly fault: string; readonly final: boolean }
  | { readonly of: "given-back" };

/** Notes what came of a try; of a message that another process has taken over meanwhile, nothing. */
export async function settle(
  context: AuditContext,
  tx: SealedWriteTransaction,
  { key, message: claimed }: Claimed,
  result: Result,
): Promise<"delivered" | "waits" | "dead" | "lost"> {
  const stored = await findShelved(tx, key);
  if (stored?.lease === undefined || claimed.lease === undefined || !stored.lease.equals(claimed.lease)) return "lost";
  await tx.delete(key);
  if (result.of === "delivered") return "delivered";
  const { lease: _ended, ...message } = stored;
  const { attempts } = message;
  if (result.of === "given-back") {
    // Where all are due at once: those with as many tries behind them wait for hours.
    await shelve(tx, 0, { ...message, attempts: attempts - 1, dueAt: context.now() });
    return "waits";
  }
  const delay = delays[attempts - 1];
  if (result.final || delay === undefined) {
    await bury(context, tx, message, result.fault);
    return "dead";
  }
  const dueAt = context.now() + spread(delay, context.random);
  await shelve(tx, attempts, { ...message, dueAt, fault: result.fault });
  return "waits";
}

/** Half a day of them must not come back in the same second. */
function spread(delay: number, random: AuditContext["random"]): number {
  const share = random(4).readUInt32BE() / 2 ** 32;
  return Math.round(delay * (1 - SPREAD + 2 * SPREAD * share));
}

/** Puts a message among the dead letters, and says so in the audit log. */
async function bury(context: AuditContext, tx: SealedWriteTransaction, message: OutboxMessage, fault: string) {
  const { application, challenge, subject, callback } = message;
  const { lease: _ended, ...kept } = message;
  await shelve(tx, shelves.dead, { ...kept, dueAt: context.now(), fault });
  const about = { application, challenge, subject, reason: `${callback} ${fault}` };
  await audit(context, tx, undefined, { event: "callback.dead", outcome: "refused", ...about });
}
