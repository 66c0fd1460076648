import type { Found, SnapshotReads } from "./postgres-reads.js";
import type { Entry, KeyRange } from "./storage.js";

/**
 * One snapshot of the database with all that was seen of it, which does not change: nothing is asked for twice. Where no
 * key stands it is known up to the next one, so that a log is asked once where it ends, however many append to it.
 */
export class SeenSnapshot {
  readonly #reads: SnapshotReads;
  readonly #values = new Map<string, Promise<Buffer | undefined>>();
  readonly #scans = new Map<string, Promise<Entry[]>>();
  /** Ranges without keys: from the first, included, to the second; without a second, to the end. */
  readonly #gaps: (readonly [string, string | undefined])[] = [];
  #gathering: Map<string, (found: Promise<Found>) => void> | undefined;
  #failed: { readonly error: unknown } | undefined;

  constructor(reads: SnapshotReads) {
    this.#reads = reads;
  }

  /** What the database, not a `fn`, has thrown: the transaction is over with it. */
  get failed(): { readonly error: unknown } | undefined {
    return this.#failed;
  }

  /** What is there at a key. The bytes are not the caller's own. */
  get(key: string): Promise<Buffer | undefined> {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const value = this.#isInGap(key) ? Promise.resolve(undefined) : this.#watched(this.#find(key));
    this.#values.set(key, value);
    return value;
  }

  async scan(range: KeyRange): Promise<Entry[]> {
    const { from, to, limit, reverse } = range;
    const name = [hex(from), hex(to), limit, reverse === true].join();
    const seen = this.#scans.get(name) ?? this.#watched(this.#reads.scan(range));
    this.#scans.set(name, seen);
    return (await seen).map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value) }));
  }

  /** Runs what only looks around, all at once: what it looks at together is asked for together. */
  async rehearse(begin: () => readonly Promise<unknown>[]): Promise<void> {
    this.#gathering = new Map();
    await Promise.allSettled(begin());
    this.#gathering = undefined;
  }

  async #find(key: string): Promise<Buffer | undefined> {
    const { key: next, value } = await (this.#gathering === undefined ? this.#askFor(key) : this.#gather(key));
    if (value !== null) return value;
    this.#gaps.push([key, next?.toString("latin1")]);
    return undefined;
  }

  async #askFor(key: string): Promise<Found> {
    const [found] = await this.#lookUp([key]);
    return found ?? { key: null, value: null };
  }

  /** Waits for the turn of the event loop: until then everybody has said what they want to see first. */
  #gather(key: string): Promise<Found> {
    return new Promise((resolve) => {
      if (this.#gathering?.size === 0) setImmediate(() => this.#askGathered());
      this.#gathering?.set(key, resolve);
    });
  }

  #askGathered(): void {
    const asked = [...(this.#gathering ?? [])];
    this.#gathering?.clear();
    const found = this.#lookUp(asked.map(([key]) => key));
    for (const [place, [, resolve]] of asked.entries()) {
      resolve(found.then((all) => all[place] ?? { key: null, value: null }));
    }
  }

  #lookUp(keys: readonly string[]): Promise<Found[]> {
    return this.#reads.lookUp(keys.map((key) => Buffer.from(key, "latin1")));
  }

  #isInGap(key: string): boolean {
    return this.#gaps.some(([from, to]) => key >= from && (to === undefined || key < to));
  }

  async #watched<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      this.#failed ??= { error };
      throw error;
    }
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
