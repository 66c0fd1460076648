import type { Barrier, SealedReadTransaction } from "../barrier/barrier.js";

/** Records that a sweep looks at in one transaction: logins wait no longer than that takes. */
const PAGE = 256;

/** The keys of what has ended among at most `limit` records from `after` on; and where to go on. */
export type EndedIn = (
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
) => Promise<{ readonly keys: readonly Buffer[]; readonly next: Buffer | undefined }>;

/**
 * Goes over all records of a kind, a page at a time, and deletes what has ended. Only a page that has something to
 * delete takes a place among the transactions that write. Returns how many it deleted.
 */
export async function sweep(barrier: Barrier, endedIn: EndedIn, limit = PAGE): Promise<number> {
  let deleted = 0;
  let after: Buffer | undefined;
  do {
    const from = after;
    const seen = await barrier.read((tx) => endedIn(tx, from, limit));
    if (seen.keys.length > 0) {
      deleted += await barrier.transact(async (tx) => {
        const { keys } = await endedIn(tx, from, limit);
        for (const key of keys) await tx.delete(key);
        return keys.length;
      });
    }
    after = seen.next;
  } while (after !== undefined);
  return deleted;
}
