import type { RawReads } from "./guarded-transaction.js";
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
    const [row] = await this.#session.run(this.#statements.get, [Buffer.from(key)]);
    return row?.[0] as Buffer | undefined;
  }

  /** What stands at each of these keys, or else where the next one is. */
  async lookUp(keys: readonly Buffer[]): Promise<Found[]> {
    const rows = await this.#session.run(this.#statements.lookUp, [arrayOf(keys)]);
    return rows.map(([key, value]) => ({ key: key as Buffer | null, value: value as Buffer | null }));
  }

  async scan({ from, to, limit, reverse }: KeyRange): Promise<Entry[]> {
    const { scan, scanBack } = this.#statements;
    const rows = await this.#session.run(reverse ? scanBack : scan, [
      Buffer.from(from),
      Buffer.from(to),
      limit ?? null,
    ]);
    return rows.map(entryOf);
  }
}

/** The first key that is not below the one asked for, if there is any, and the value if it is that one. */
export interface Found {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

const entryOf = ([key, value]: Row): Entry => ({ key: key as Buffer, value: value as Buffer });

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
