import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { instant, recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { recordKey, recordRange } from "./keys.js";

/**
 * A server that runs on this store, as it said of itself last. For the operator to read; nothing is decided by it. Of two
 * versions side by side each reads what the other one wrote: fields are added, never required, and unknown ones passed
 * over.
 */
const schema = z.object({
  /** Random, 32 hex digits: another one at each start. */
  instance: z.string().regex(/^[0-9a-f]{32}$/),
  /** The node that it writes the log as, and its host's name; older servers do not say. */
  node: z.string().optional(),
  host: z.string().optional(),
  pid: z.number().int().positive(),
  /** How many processes it has, where they are several; `pid` is that of the first, which started them. */
  workers: z.number().int().positive().optional(),
  version: z.string(),
  startedAt: instant,
  seenAt: instant,
  listen: z.string(),
  http: z.string().optional(),
  draining: z.boolean(),
});
export type Presence = z.infer<typeof schema>;

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
