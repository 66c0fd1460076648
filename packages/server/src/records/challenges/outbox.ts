import type { ApplicationId, CallbackId, ChallengeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { getIntact, scanIntact } from "../intact.js";
import { idBytes, indexBytes, recordKey, recordRange } from "../keys.js";
import { bytes, count, instant, text, type ValueOf, words } from "../kinds.js";
import { optional, record } from "../record-kind.js";

/**
 * What waits to be told to an application, and what could not be told. A message stands on a shelf of its callback, in
 * the order in which it came there: one shelf for each number of tries that it has behind it, one for those that are
 * under way, one for the dead. All that stand on one shelf wait equally long from when they came, so the first of a
 * shelf is due first, and no key has to hold a time: finding what is due takes a look at the first of each shelf,
 * however many there are.
 */
const schema = record({
  application: text<ApplicationId>(),
  callback: text<CallbackId>(),
  /** What the receiver knows the message by: there is one for each challenge. */
  challenge: text<ChallengeId>(),
  subject: text(),
  event: words("challenge.answered", "challenge.expired"),
  result: words("right", "wrong", "expired"),
  occurredAt: instant,
  clientId: optional(text()),
  flow: optional(text()),
  /** How often it was tried, what is under way included. */
  attempts: count,
  /** When it is to be tried; of one that is under way when it may be taken over; of a dead one when it died. */
  dueAt: instant,
  /** Whose it is while it is under way: drawn at each claim. */
  lease: optional(bytes(16)),
  /** Why the last try failed, as `http_503` or `timed_out`. */
  fault: optional(text()),
});
export type OutboxMessage = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** Below `leased`: how many tries a message has behind it. */
export const shelves = { leased: 0xf0, dead: 0xff } as const;

/** A message and where it stands. */
export interface Shelved {
  readonly key: Buffer;
  readonly message: OutboxMessage;
}

const ID_BYTES = 16;
/** The kind's byte, the callback's id, the shelf. */
const SHELF_AT = 1 + ID_BYTES;

/** What a key says of a message: its callback, and its shelf. */
export interface Shelf {
  readonly callback: CallbackId;
  readonly shelf: number;
}

export function shelfOf(key: Buffer): Shelf {
  return { callback: `cbk_${key.toString("hex", 1, SHELF_AT)}`, shelf: key.readUInt8(SHELF_AT) };
}

export const outboxRange = () => recordRange("outbox");
export const callbackRange = (callback: CallbackId) => recordRange("outbox", idBytes(callback));
export const shelfRange = ({ callback, shelf }: Shelf) => recordRange("outbox", idBytes(callback), Buffer.of(shelf));

/** Puts a message at the end of a shelf. */
export async function shelve(tx: SealedWriteTransaction, shelf: number, message: OutboxMessage): Promise<Buffer> {
  const range = shelfRange({ callback: message.callback, shelf });
  const [last] = await tx.keys({ ...range, limit: 1, reverse: true });
  const index = last === undefined ? 0 : Number(last.readBigUInt64BE(SHELF_AT + 1)) + 1;
  const key = recordKey("outbox", idBytes(message.callback), Buffer.of(shelf), indexBytes(index));
  await tx.put(key, codec.encode(message));
  return key;
}

/** What stands at a key; a damaged record is no message. */
export async function findShelved(tx: SealedReadTransaction, key: Buffer): Promise<OutboxMessage | undefined> {
  return getIntact(tx, key, codec.decode);
}

/** The first messages of a shelf, with the keys of the damaged ones, and the key to go on from. */
export async function scanShelf(
  tx: SealedReadTransaction,
  shelf: Shelf,
  { after, limit }: { after?: Buffer | undefined; limit: number },
): Promise<{ shelved: Shelved[]; damaged: readonly Buffer[]; next: Buffer | undefined }> {
  const range = shelfRange(shelf);
  const { records, ...rest } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return { shelved: records.map(({ key, value }) => ({ key, message: value })), ...rest };
}
