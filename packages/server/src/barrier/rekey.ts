import type { Entry, ReadTransaction, Storage, WriteTransaction } from "../storage/storage.js";
import { sealEnvelope, termOf } from "./envelope.js";
import type { KeyringStore } from "./keyring-store.js";
import { openRecord, placeOf } from "./sealed-transaction.js";
import { type Bounds, callersKey, recordRange } from "./storage-keys.js";

/**
 * Rekey: add a term, re-seal what older terms sealed, drop the terms that nothing uses any more. Each step may be cut
 * anywhere and begun again, while servers run: the first makes every later write use the new term, since sealing asks
 * for the stored keyring; so the number of records in older terms only falls.
 */

/** Records a transaction looks at. At a kilobyte each, some milliseconds. */
export const RESEAL_BATCH = 256;

export interface BatchOptions {
  readonly cursor?: Uint8Array | undefined;
  readonly batch?: number | undefined;
}

export interface ResealProgress {
  /** Records sealed anew by this call. */
  readonly resealed: number;
  /** The last key that was looked at: give it to the next call. Undefined when the range is done. */
  readonly cursor: Buffer | undefined;
}

/** What else belongs into a transaction. It runs first: what it puts is sealed as everything was before. */
type Also = (tx: WriteTransaction) => Promise<void>;

/** Adds a term that seals from now on, and gives its number. */
export async function addTerm(storage: Storage, keyrings: KeyringStore, also: Also): Promise<number> {
  const saved = await storage.transact(async (tx) => {
    await also(tx);
    return keyrings.save(tx, (await keyrings.current(tx)).withNewTerm());
  });
  keyrings.remember(saved);
  return saved.ring.active.term;
}

/**
 * Re-seals the records of one batch that are not in the active term, in one transaction. Without a cursor it begins
 * at the start of the range; what an earlier run has done is passed over.
 * @throws PosternError `store_damaged` naming the key of a record that does not open: the batch is left as it was
 */
export function reseal(
  storage: Storage,
  keyrings: KeyringStore,
  range: Bounds,
  { cursor, batch = RESEAL_BATCH }: BatchOptions,
): Promise<ResealProgress> {
  return storage.transact(async (tx) => {
    const { active } = await keyrings.current(tx);
    const entries = await entriesAfter(tx, range, cursor, batch);
    let resealed = 0;
    for (const entry of entries) {
      if (termOf(entry.value) === active.term) continue;
      const plaintext = await openRecord(tx, keyrings, entry);
      await tx.put(entry.key, sealEnvelope(active, placeOf(entry.key), plaintext));
      resealed++;
    }
    return { resealed, cursor: cursorAfter(entries, batch) };
  });
}

export interface Terms {
  /** The one that seals. */
  readonly active: number;
  /** Those that may still open something. None of them is left when a rekey has come to its end. */
  readonly older: readonly number[];
}

export async function readTerms(storage: Storage, keyrings: KeyringStore): Promise<Terms> {
  const { active, terms } = await storage.read((tx) => keyrings.current(tx));
  return { active: active.term, older: terms.filter((term) => term !== active.term) };
}

/** How many records claim each term; a value that is no envelope is counted under undefined. */
export type TermCounts = ReadonlyMap<number | undefined, number>;

/**
 * Counts the records of every term, in one snapshot for each batch. Every snapshot takes in the keyring: so a storage
 * that keeps transactions serializable orders it after the rekey that made that keyring, with all it left behind.
 */
export async function countTerms(storage: Storage, keyrings: KeyringStore): Promise<TermCounts> {
  const counts = new Map<number | undefined, number>();
  let cursor: Buffer | undefined;
  do {
    const entries = await storage.read(async (tx) => {
      await keyrings.current(tx);
      return entriesAfter(tx, {}, cursor, RESEAL_BATCH);
    });
    for (const { value } of entries) counts.set(termOf(value), (counts.get(termOf(value)) ?? 0) + 1);
    cursor = cursorAfter(entries, RESEAL_BATCH);
  } while (cursor !== undefined);
  return counts;
}

/**
 * Drops the terms that were older than the active one when the count began and seal no record, and gives their
 * numbers. A term that was active then is kept: other processes may have sealed in it while the count ran.
 */
export async function dropUnusedTerms(storage: Storage, keyrings: KeyringStore, also: Also): Promise<number[]> {
  const { terms, active } = await storage.read((tx) => keyrings.current(tx));
  const counts = await countTerms(storage, keyrings);
  const unused = new Set(terms.filter((term) => term < active.term && !counts.has(term)));
  const saved = await storage.transact(async (tx) => {
    await also(tx);
    const ring = await keyrings.current(tx);
    return unused.size === 0 ? undefined : keyrings.save(tx, ring.withoutTerms(unused));
  });
  if (saved !== undefined) keyrings.remember(saved);
  return [...unused];
}

async function entriesAfter(
  tx: ReadTransaction,
  range: Bounds,
  cursor: Uint8Array | undefined,
  batch: number,
): Promise<Entry[]> {
  if (cursor === undefined) return tx.scan(recordRange({ ...range, limit: batch }));
  const entries = await tx.scan(recordRange({ ...range, from: cursor, limit: batch + 1 }));
  return entries.filter(({ key }) => !callersKey(key).equals(cursor)).slice(0, batch);
}

function cursorAfter(entries: readonly Entry[], batch: number): Buffer | undefined {
  const last = entries.length < batch ? undefined : entries.at(-1);
  return last && callersKey(last.key);
}
