import type { Barrier, SealedWriteTransaction } from "../barrier/barrier.js";

/** Records that a sweep looks at in one transaction: logins wait no longer than that takes. */
const PAGE = 256;

/** Deletes what has ended among at most `limit` records from `after` on; says how many, and where to go on. */
export type SweepPage = (
  tx: SealedWriteTransaction,
  after: Buffer | undefined,
  limit: number,
) => Promise<{ readonly deleted: number; readonly next: Buffer | undefined }>;

/** Goes over all records of a kind, a page a transaction. Returns how many it deleted. */
export async function sweep(barrier: Barrier, page: SweepPage, limit = PAGE): Promise<number> {
  let deleted = 0;
  let after: Buffer | undefined;
  do {
    const from = after;
    const done = await barrier.transact((tx) => page(tx, from, limit));
    deleted += done.deleted;
    after = done.next;
  } while (after !== undefined);
  return deleted;
}
