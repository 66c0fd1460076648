import type { ApplicationId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { getIntact, scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { anything, bytes, instant, type ValueOf } from "../kinds.js";
import { record } from "../record-kind.js";

/** What came of a request that named a key of its own, so that a repeat is answered alike. It holds no secret. */
const schema = record({
  /** SHA-256 of what was asked for. */
  fingerprint: bytes(32),
  createdAt: instant,
  /** What was answered, without what is shown once. */
  created: anything,
});
export type Idempotency = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** `keyIndex`: the barrier's keyed hash of the application and its key. */
const storedUnder = (application: ApplicationId, keyIndex: Buffer) =>
  recordKey("idempotency", idBytes(application), keyIndex);

/** A damaged record is none: nothing is granted by it. */
export function findIdempotency(
  tx: SealedReadTransaction,
  application: ApplicationId,
  keyIndex: Buffer,
): Promise<Idempotency | undefined> {
  return getIntact(tx, storedUnder(application, keyIndex), codec.decode);
}

export async function putIdempotency(
  tx: SealedWriteTransaction,
  application: ApplicationId,
  keyIndex: Buffer,
  record: Idempotency,
): Promise<void> {
  await tx.put(storedUnder(application, keyIndex), codec.encode(record));
}

export async function deleteIdempotency(
  tx: SealedWriteTransaction,
  application: ApplicationId,
  keyIndex: Buffer,
): Promise<void> {
  await tx.delete(storedUnder(application, keyIndex));
}

/** One page of them in the order of their keys, with the keys of the damaged ones, and the key to go on from. */
export async function scanIdempotency(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{
  records: readonly { key: Buffer; value: Idempotency }[];
  damaged: readonly Buffer[];
  next: Buffer | undefined;
}> {
  const range = recordRange("idempotency");
  return scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
}
