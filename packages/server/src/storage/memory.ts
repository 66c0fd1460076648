import { Calls } from "./calls.js";
import { type RawReads, type RawWrites, runReads, runWrites } from "./guarded-transaction.js";
import type { Entry, KeyRange, Storage } from "./storage.js";

/** A storage that keeps every promise but durability: for tests. One call runs at a time. */
export function createMemoryStorage(): Storage {
  const table = new Table();
  const calls = new Calls();
  let last: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const turn = last.then(run);
    last = turn.catch(() => undefined);
    return turn;
  };

  return {
    transact: (fn) =>
      calls.admit(() =>
        inTurn(async () => {
          const draft = new Draft(table);
          const value = await calls.within(() => runWrites(draft, fn));
          draft.commit();
          return value;
        }),
      ),
    read: (fn) => calls.admit(() => inTurn(() => calls.within(() => runReads(table, fn)))),
    close: () => calls.close(async () => table.clear()),
  };
}

/** Keys are held as Latin-1 strings: JavaScript compares those by code unit, which then is by byte. */
class Table implements RawReads {
  readonly #values = new Map<string, Buffer>();
  readonly #order: string[] = [];

  get(key: Uint8Array): Buffer | undefined {
    const value = this.#values.get(textOf(key));
    return value && Buffer.from(value);
  }

  scan(range: KeyRange): Entry[] {
    return pick(range, this.keys(range), (key) => this.#values.get(key));
  }

  keys({ from, to }: KeyRange): string[] {
    return this.#order.slice(this.#position(textOf(from)), this.#position(textOf(to)));
  }

  peek(key: string): Buffer | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Buffer): void {
    if (!this.#values.has(key)) this.#order.splice(this.#position(key), 0, key);
    this.#values.set(key, value);
  }

  remove(key: string): void {
    if (this.#values.delete(key)) this.#order.splice(this.#position(key), 1);
  }

  clear(): void {
    this.#values.clear();
    this.#order.length = 0;
  }

  /** The index of the first key that is not below `key`. */
  #position(key: string): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle] ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The unfinished writes of one transaction; `undefined` stands for a deletion. */
class Draft implements RawWrites {
  readonly #table: Table;
  readonly #changes = new Map<string, Buffer | undefined>();

  constructor(table: Table) {
    this.#table = table;
  }

  get(key: Uint8Array): Buffer | undefined {
    const value = this.#current(textOf(key));
    return value && Buffer.from(value);
  }

  scan(range: KeyRange): Entry[] {
    const [from, to] = [textOf(range.from), textOf(range.to)];
    const changed = [...this.#changes.keys()].filter((key) => key >= from && key < to);
    const keys = [...new Set([...this.#table.keys(range), ...changed])].sort(byCodeUnit);
    return pick(range, keys, (key) => this.#current(key));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#changes.set(textOf(key), Buffer.from(value));
  }

  delete(key: Uint8Array): void {
    this.#changes.set(textOf(key), undefined);
  }

  commit(): void {
    for (const [key, value] of this.#changes) {
      if (value === undefined) this.#table.remove(key);
      else this.#table.set(key, value);
    }
  }

  #current(key: string): Buffer | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#table.peek(key);
  }
}

function pick({ limit, reverse }: KeyRange, keys: string[], lookUp: (key: string) => Buffer | undefined): Entry[] {
  const entries: Entry[] = [];
  for (const key of reverse ? keys.reverse() : keys) {
    if (entries.length === limit) break;
    const value = lookUp(key);
    if (value !== undefined) entries.push({ key: Buffer.from(key, "latin1"), value: Buffer.from(value) });
  }
  return entries;
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
