import type { RawReads, RawWrites } from "./guarded-transaction.js";
import type { Database, Snapshot } from "./lmdb-environment.js";
import type { Entry, KeyRange } from "./storage.js";

/** The smallest key there is: LMDB knows no empty one. */
const FIRST_KEY = Buffer.of(0);

/** Reads what stands in the write transaction that is running. lmdb-js copies values out, and puts in at once. */
export class LmdbWrites implements RawWrites {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(key: Uint8Array): Buffer | undefined {
    return ownBuffer(this.#database.getBinary(key));
  }

  scan(range: KeyRange): Entry[] {
    return entries(this.#database, range, undefined);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#database.put(key, ownBuffer(value));
  }

  delete(key: Uint8Array): void {
    this.#database.remove(key);
  }
}

/**
 * Reads a snapshot. Of all that lmdb-js offers only ranges keep to a given snapshot while a write transaction is running;
 * a `get` would see that one's unfinished writes. At all other times it is the cheaper one.
 */
export class LmdbReads implements RawReads {
  readonly #database: Database;
  readonly #by: { readonly transaction: Snapshot };
  readonly #store: { readonly writing: boolean };

  constructor(database: Database, transaction: Snapshot, store: { readonly writing: boolean }) {
    this.#database = database;
    this.#by = { transaction };
    this.#store = store;
  }

  get(key: Uint8Array): Buffer | undefined {
    return this.#store.writing ? this.#exactly(key) : ownBuffer(this.#database.getBinary(key, this.#by));
  }

  scan(range: KeyRange): Entry[] {
    return entries(this.#database, range, this.#by.transaction);
  }

  #exactly(key: Uint8Array): Buffer | undefined {
    const { transaction } = this.#by;
    const range = this.#database.getRange({ start: key, end: key, inclusiveEnd: true, limit: 1, transaction });
    for (const { value } of range) return ownBuffer(value);
    return undefined;
  }
}

function entries(database: Database, range: KeyRange, transaction: Snapshot | undefined): Entry[] {
  const low = range.from.length === 0 ? FIRST_KEY : range.from;
  const reverse = range.reverse === true;
  const found: Entry[] = [];
  for (const { key, value } of database.getRange({
    start: reverse ? range.to : low,
    exclusiveStart: reverse,
    end: reverse ? low : range.to,
    inclusiveEnd: reverse,
    reverse,
    limit: range.limit,
    transaction,
  } as Parameters<Database["getRange"]>[0])) {
    found.push({ key: ownBuffer(key), value: ownBuffer(value) });
  }
  return found;
}

/** A Buffer and nothing else: lmdb-js gives some of its own a `length` that is not that of their bytes. */
function ownBuffer(bytes: Uint8Array): Buffer;
function ownBuffer(bytes: Uint8Array | undefined): Buffer | undefined;
function ownBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  if (bytes === undefined || (bytes instanceof Buffer && !Object.hasOwn(bytes, "length"))) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
