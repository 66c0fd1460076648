import type { RawWrites } from "./guarded-transaction.js";
import { arrayOf, type SnapshotReads } from "./postgres-reads.js";
import type { Statements } from "./postgres-schema.js";
import type { Session } from "./postgres-session.js";
import type { SeenSnapshot } from "./postgres-snapshot.js";
import type { Entry, KeyRange } from "./storage.js";

/** Keys as text, of which JavaScript compares each character as a byte; undefined stands for a deletion. */
type Changes = Map<string, Buffer | undefined>;

/**
 * The transactions of a batch, one after another: each sees what those before have left, and leaves what it did when it
 * ends well. Nothing reaches the database until all have ended, and then in as few statements as can be.
 */
export class Batch {
  readonly #snapshot: SeenSnapshot;
  readonly #changes: Changes = new Map();
  #bytes = 0;

  constructor(snapshot: SeenSnapshot) {
    this.#snapshot = snapshot;
  }

  /** How many bytes wait to be written. */
  get bytes(): number {
    return this.#bytes;
  }

  get changes(): ReadonlyMap<string, Buffer | undefined> {
    return this.#changes;
  }

  /** The view of one `fn`; `keep` makes what it did part of the batch. */
  begin(): { readonly raw: RawWrites; keep(): void } {
    const own: Changes = new Map();
    return {
      raw: {
        get: async (key) => {
          const text = textOf(key);
          const layer = own.has(text) ? own : this.#changes;
          return copied(layer.has(text) ? layer.get(text) : await this.#snapshot.get(text));
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

  /** Deleted entries take up places of a limit in the database, so as many more are asked for. */
  async #scan(range: KeyRange, own: Changes): Promise<Entry[]> {
    const { limit, reverse } = range;
    const [from, to] = [textOf(range.from), textOf(range.to)];
    const changed = new Map([...this.#changes, ...own].filter(([key]) => key >= from && key < to));
    const gone = [...changed.values()].filter((value) => value === undefined).length;
    const stored = await this.#snapshot.scan(limit === undefined ? range : { ...range, limit: limit + gone });
    if (changed.size === 0) return stored;
    const kept = stored.filter(({ key }) => !changed.has(textOf(key)));
    for (const [key, value] of changed) {
      if (value !== undefined) kept.push({ key: Buffer.from(key, "latin1"), value: Buffer.from(value) });
    }
    kept.sort((a, b) => (reverse ? Buffer.compare(b.key, a.key) : Buffer.compare(a.key, b.key)));
    return limit === undefined ? kept : kept.slice(0, limit);
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

/**
 * Whether a transaction's changes stand in the database: at one of its keys the value that it has put there. Sealed values
 * are never the same twice, and what it adds to a log stays, whatever others have done since.
 */
export async function stands(reads: SnapshotReads, changes: Batch["changes"]): Promise<boolean> {
  let puts = 0;
  let present = 0;
  for (const [text, value] of changes) {
    const stored = await reads.get(Buffer.from(text, "latin1"));
    if (value !== undefined && stored?.equals(value) === true) return true;
    if (value !== undefined) puts++;
    if (stored !== undefined) present++;
  }
  // Where it has only taken away, that is gone.
  return puts === 0 && present === 0;
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

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

function copyOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

function copied(bytes: Buffer | undefined): Buffer | undefined {
  return bytes && Buffer.from(bytes);
}
