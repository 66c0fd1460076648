import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { recordKey, recordRange } from "./keys.js";
import { flag, instant, ordinal, text, type ValueOf } from "./kinds.js";
import { openRecord, optional } from "./record-kind.js";

/**
 * A server that runs on this store, as it said of itself last. For the operator to read; nothing is decided by it. Of two
 * versions side by side each reads what the other one wrote: fields are added, never required, and unknown ones passed
 * over.
 */
const schema = openRecord({
  /** Random, 32 hex digits: another one at each start. */
  instance: text((id) => /^[0-9a-f]{32}$/.test(id)),
  /** The node that it writes the log as, and its host's name; older servers do not say. */
  node: optional(text()),
  host: optional(text()),
  pid: ordinal,
  /** How many processes it has, where they are several; `pid` is that of the first, which started them. */
  workers: optional(ordinal),
  version: text(),
  startedAt: instant,
  seenAt: instant,
  listen: text(),
  http: optional(text()),
  draining: flag,
});
export type Presence = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

const presenceKey = (instance: string) => recordKey("presence", Buffer.from(instance, "hex"));

export async function putPresence(tx: SealedWriteTransaction, presence: Presence): Promise<void> {
  await tx.put(presenceKey(presence.instance), codec.encode(presence));
}

export async function deletePresence(tx: SealedWriteTransaction, instance: string): Promise<void> {
  await tx.delete(presenceKey(instance));
}

/** At most so many: a server that was killed leaves one behind until the next upkeep. */
const MOST = 256;

export async function presences(tx: SealedReadTransaction): Promise<Presence[]> {
  const { records } = await scanIntact(tx, { ...recordRange("presence"), limit: MOST }, codec.decode);
  return records.map(({ value }) => value);
}
