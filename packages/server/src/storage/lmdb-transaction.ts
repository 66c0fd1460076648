import type { RawReads, RawWrites } from "./guarded-transaction.js";
import { type Database, type Snapshot, storeFailed } from "./lmdb-environment.js";
import type { Entry, KeyRange } from "./storage.js";

/** The smallest key there is: LMDB knows no empty one. */
const FIRST_KEY = Buffer.of(0);

/** Reads what stands in the write transaction that is running. lmdb-js copies values out, and puts in at once. */
export function writesOf(database: Database): RawWrites {
  return {
    get: (key) => native(() => ownBuffer(database.getBinary(key))),
    scan: (range) => native(() => entries(database, range)),
    put: (key, value) => native(() => void database.put(key, ownBuffer(value))),
    delete: (key) => native(() => void database.remove(key)),
  };
}

/**
 * Reads a snapshot. Of all that lmdb-js offers only ranges keep to a given snapshot while a write transaction is running;
 * a `get` would see that one's unfinished writes. At all other times it is the cheaper one.
 */
export function readsOf(database: Database, transaction: Snapshot, store: { readonly writing: boolean }): RawReads {
  const get = (key: Uint8Array) =>
    store.writing ? exactly(database, transaction, key) : ownBuffer(database.getBinary(key, { transaction }));
  return {
    get: (key) => native(() => get(key)),
    scan: (range) => native(() => entries(database, range, transaction)),
  };
}

function exactly(database: Database, transaction: Snapshot, key: Uint8Array): Buffer | undefined {
  const range = database.getRange({ start: key, end: key, inclusiveEnd: true, limit: 1, transaction });
  for (const { value } of range) return ownBuffer(value);
  return undefined;
}

function entries(database: Database, { from, to, limit, reverse }: KeyRange, transaction?: Snapshot): Entry[] {
  const low = from.length === 0 ? FIRST_KEY : from;
  const range = database.getRange({
    ...(reverse
      ? { start: to, exclusiveStart: true, end: low, inclusiveEnd: true, reverse: true }
      : { start: low, end: to }),
    ...(limit === undefined ? {} : { limit }),
    ...(transaction === undefined ? {} : { transaction }),
  });
  const found: Entry[] = [];
  for (const { key, value } of range) found.push({ key: ownBuffer(key), value: ownBuffer(value) });
  return found;
}

/** A plain Buffer over the same bytes, whatever view of them lmdb-js made. */
function ownBuffer(bytes: Uint8Array): Buffer;
function ownBuffer(bytes: Uint8Array | undefined): Buffer | undefined;
function ownBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function native<T>(operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    throw storeFailed("an operation", cause);
  }
}
