import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { getIntact, scanIntact } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";
import { count, instant, named, text, type ValueOf } from "./kinds.js";
import { optional, record } from "./record-kind.js";

const indices = named(count);

/** A person whose personal fields are to go from the audit log, and how far along each chain that has come. */
const schema = record({
  account: text(),
  /** The person's name, for entries that belong to no account yet show it. */
  name: optional(text()),
  /** Of each node's chain, the index to go on from. */
  cursors: indices,
  /** Of a node's chain, the first index at which there can be an entry of the account. */
  since: optional(indices),
  /** When every chain had been gone along once. */
  passedAt: optional(instant),
});
export type Erasure = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

const erasureKey = (account: string) => recordKey("auditErasure", idBytes(account));

/**
 * Queues the erasure of an account from the audit log, in the transaction that deletes the account: from then on it
 * will be done, whatever happens to this process. With `name` also entries without an account that show it are erased.
 * It begins at once with what is not before `since`.
 */
export async function putErasure(
  tx: SealedWriteTransaction,
  account: string,
  { name, since }: Pick<Erasure, "name" | "since"> = {},
): Promise<void> {
  await saveErasure(tx, {
    account,
    ...(name !== undefined && { name }),
    ...(since !== undefined && { since }),
    cursors: { ...since },
  });
}

export async function saveErasure(tx: SealedWriteTransaction, erasure: Erasure): Promise<void> {
  await tx.put(erasureKey(erasure.account), codec.encode(erasure));
}

export function findErasure(tx: SealedReadTransaction, account: string): Promise<Erasure | undefined> {
  return getIntact(tx, erasureKey(account), codec.decode);
}

export async function deleteErasure(tx: SealedWriteTransaction, account: string): Promise<void> {
  await tx.delete(erasureKey(account));
}

/**
 * One page of what is queued, and the key to go on from; none when it was the last. Of a damaged record the key still
 * tells the account.
 */
export async function scanErasures(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ erasures: Erasure[]; damaged: string[]; next: Buffer | undefined }> {
  const range = recordRange("auditErasure");
  const page = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return {
    erasures: page.records.map(({ value }) => value),
    damaged: page.damaged.map((key) => `acc_${key.toString("hex", 1)}`),
    next: page.next,
  };
}
