import type { RawReads, RawWrites } from "./guarded-transaction.js";
import type { Statements } from "./postgres-schema.js";
import type { Row, Session } from "./postgres-session.js";
import type { Entry, KeyRange } from "./storage.js";

/** What a transaction sees of the database: one snapshot. */
export class SnapshotReads implements RawReads {
  readonly #session: Session;
  readonly #statements: Statements;

  constructor(session: Session, statements: Statements) {
    this.#session = session;
    this.#statements = statements;
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    const [row] = await this.#session.run(this.#statements.get, [copyOf(key)]);
    return row?.[0] as Buffer | undefined;
  }

  async scan({ from, to, limit, reverse }: KeyRange): Promise<Entry[]> {
    const { scan, scanBack } = this.#statements;
    const rows = await this.#session.run(reverse ? scanBack : scan, [copyOf(from), copyOf(to), limit ?? null]);
    return rows.map(entryOf);
  }
}

const entryOf = ([key, value]: Row): Entry => ({ key: key as Buffer, value: value as Buffer });

/** Keys as text, of which JavaScript compares each character as a byte; undefined stands for a deletion. */
type Changes = Map<string, Buffer | undefined>;

/**
 * The transactions of a batch, one after another: each sees what those before have left, and leaves what it did when it
 * ends well. Nothing reaches the database until all have ended, and then in as few statements as can be.
 */
export class Batch {
  readonly #reads: RawReads;
  readonly #changes: Changes = new Map();
  /** What stands in the snapshot at a key: it does not change. */
  readonly #seen = new Map<string, Promise<Buffer | undefined>>();
  #bytes = 0;
  #failed: { readonly error: unknown } | undefined;

  constructor(reads: RawReads) {
    this.#reads = reads;
  }

  /** How many bytes wait to be written. */
  get bytes(): number {
    return this.#bytes;
  }

  get changes(): ReadonlyMap<string, Buffer | undefined> {
    return this.#changes;
  }

  /** What the database, not a `fn`, has thrown: the transaction is over with it. */
  get failed(): { readonly error: unknown } | undefined {
    return this.#failed;
  }

  /** The view of one `fn`; `keep` makes what it did part of the batch. */
  begin(): { readonly raw: RawWrites; keep(): void } {
    const own: Changes = new Map();
    return {
      raw: {
        get: async (key) => {
          const text = textOf(key);
          const value = own.has(text)
            ? own.get(text)
            : this.#changes.has(text)
              ? this.#changes.get(text)
              : this.#see(key);
          return copied(await value);
        },
        scan: (range) => this.#scan(range, own),
        put: (key, value) => void own.set(textOf(key), copyOf(value)),
        delete: (key) => void own.set(textOf(key), undefined),
      },
      keep: () => {
        for (const [key, value] of own) {
          this.#bytes += key.length + (value?.length ?? 0);
          this.#changes.set(key, value);
        }
      },
    };
  }

  #see(key: Uint8Array): Promise<Buffer | undefined> {
    const text = textOf(key);
    let value = this.#seen.get(text);
    if (value === undefined) {
      value = this.#watched(this.#reads.get(key));
      this.#seen.set(text, value);
    }
    return value;
  }

  /** Deleted entries take up places of a limit in the database, so as many more are asked for. */
  async #scan(range: KeyRange, own: Changes): Promise<Entry[]> {
    const { limit, reverse } = range;
    const [from, to] = [textOf(range.from), textOf(range.to)];
    const changed = new Map([...this.#changes, ...own].filter(([key]) => key >= from && key < to));
    const gone = [...changed.values()].filter((value) => value === undefined).length;
    const stored = await this.#watched(
      this.#reads.scan(limit === undefined ? range : { ...range, limit: limit + gone }),
    );
    if (changed.size === 0) return stored;
    const kept = stored.filter(({ key }) => !changed.has(textOf(key)));
    for (const [key, value] of changed) {
      if (value !== undefined) kept.push({ key: Buffer.from(key, "latin1"), value: Buffer.from(value) });
    }
    kept.sort((a, b) => (reverse ? Buffer.compare(b.key, a.key) : Buffer.compare(a.key, b.key)));
    return limit === undefined ? kept : kept.slice(0, limit);
  }

  async #watched<T>(reading: T | Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      this.#failed ??= { error };
      throw error;
    }
  }
}

/** At most so many bytes go into one statement, if one value is not larger: the database has a limit of 1 GiB. */
const STATEMENT_BYTES = 32 * 2 ** 20;

/** Gives the changes to the session, to be done in this order. Resolves when all are done. */
export async function write(session: Session, statements: Statements, changes: Batch["changes"]): Promise<void> {
  const gone = [...changes].filter(([, value]) => value === undefined).map(([key]) => Buffer.from(key, "latin1"));
  const given: Promise<unknown>[] = [];
  if (gone.length > 0) given.push(session.run(statements.remove, [arrayOf(gone)]));
  for (const part of partsOf(changes)) {
    given.push(session.run(statements.put, [arrayOf(part.keys), arrayOf(part.values)]));
  }
  await Promise.all(given);
}

function* partsOf(changes: Batch["changes"]): Generator<{ keys: Buffer[]; values: Buffer[] }> {
  let part: { keys: Buffer[]; values: Buffer[] } = { keys: [], values: [] };
  let bytes = 0;
  for (const [key, value] of changes) {
    if (value === undefined) continue;
    if (bytes > 0 && bytes + value.length > STATEMENT_BYTES) {
      yield part;
      part = { keys: [], values: [] };
      bytes = 0;
    }
    part.keys.push(Buffer.from(key, "latin1"));
    part.values.push(value);
    bytes += key.length + value.length;
  }
  if (part.keys.length > 0) yield part;
}

const BYTEA_OID = 17;

/** An array of bytea in PostgreSQL's binary form: dimensions, no nulls, the type; size and first index; the elements. */
export function arrayOf(list: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(20);
  for (const [index, number] of [1, 0, BYTEA_OID, list.length, 1].entries()) head.writeInt32BE(number, index * 4);
  const parts: Buffer[] = [head];
  for (const bytes of list) {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

function copyOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

function copied(bytes: Buffer | undefined): Buffer | undefined {
  return bytes && Buffer.from(bytes);
}
