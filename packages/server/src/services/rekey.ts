import { setImmediate as turn } from "node:timers/promises";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type AuditContext, audit } from "./context.js";

export interface RekeyOptions {
  /** Another root key too; `alone` runs what nobody else may have the store open for. */
  readonly newRoot?: { readonly alone: Alone; readonly password: Uint8Array } | undefined;
  /** Hears how many of how many records are sealed anew. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

type Alone = <T>(work: () => Promise<T>) => Promise<T>;

export interface Rekeyed {
  /** The term that seals all. */
  readonly term: number;
  /** Records that this run has sealed anew. */
  readonly resealed: number;
  readonly dropped: readonly number[];
  /** Terms that are still there, since another rekey began meanwhile. */
  readonly left: readonly number[];
  readonly begun: Begun;
}

type Begun = "new_term" | "new_root_key" | "resumed";

/**
 * Adds a term, seals in it what older ones have sealed, a batch a transaction with a turn for everybody else in between,
 * and drops those. Where an earlier one was cut, it goes on with that: an older term in the keyring, or a record in one,
 * shows it. The log tells of the beginning in the transaction that adds the term, and of the end in the one that drops
 * the others.
 * @throws PosternError `store_in_use` with `newRoot`; `store_damaged` naming the key of a record that does not open
 */
export async function rekey(context: AuditContext, options: RekeyOptions = {}): Promise<Rekeyed> {
  const { barrier } = context;
  const begun = await begin(context, options);
  const { active } = await barrier.terms();
  const counts = await barrier.countTerms();
  const total = [...counts].reduce((sum, [term, count]) => (term === active ? sum : sum + count), 0);
  let resealed = 0;
  let cursor: Buffer | undefined;
  do {
    const progress = await barrier.reseal({}, { cursor });
    resealed += progress.resealed;
    cursor = progress.cursor;
    options.onProgress?.(Math.min(resealed, total), total);
    await turn();
  } while (cursor !== undefined);
  const dropped = await barrier.dropUnusedTerms(tell(context, "rekey.end", `records_${resealed}`));
  const after = await barrier.terms();
  return { term: after.active, resealed, dropped, left: after.older, begun };
}

async function begin(context: AuditContext, { newRoot }: RekeyOptions): Promise<Begun> {
  const { barrier } = context;
  if (newRoot !== undefined) {
    const also = tell(context, "rekey.begin", "new_root_key");
    await newRoot.alone(() => barrier.replaceRootKey(newRoot.password, also));
    return "new_root_key";
  }
  if ((await barrier.terms()).older.length > 0) {
    await barrier.transact(tell(context, "rekey.begin", "resumed"));
    return "resumed";
  }
  await barrier.addTerm(tell(context, "rekey.begin", "new_term"));
  return "new_term";
}

function tell(context: AuditContext, event: string, reason: string): (tx: SealedWriteTransaction) => Promise<void> {
  return (tx) => audit(context, tx, undefined, { event, outcome: "done", reason });
}
