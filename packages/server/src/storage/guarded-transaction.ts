import { PosternError } from "@postern/shared/errors";
import {
  type Entry,
  type KeyRange,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  type ReadTransaction,
  type WriteTransaction,
} from "./storage.js";

/**
 * The rules that hold for a transaction of any backend stand here once: bounds of keys and values, the death of a
 * `tx` with its `fn`, and that a failure of the backend cannot be swallowed. A backend sees only checked arguments.
 */
type Awaitable<T> = T | Promise<T>;

export interface RawReads {
  get(key: Uint8Array): Awaitable<Buffer | undefined>;
  /** `from` is below `to` and `limit`, when there is one, above zero. */
  scan(range: KeyRange): Awaitable<Entry[]>;
}

export interface RawWrites extends RawReads {
  put(key: Uint8Array, value: Uint8Array): Awaitable<void>;
  delete(key: Uint8Array): Awaitable<void>;
}

/** Runs `fn` on a read transaction that dies with it. */
export function runReads<T>(raw: RawReads, fn: (tx: ReadTransaction) => Promise<T>): Promise<T> {
  const life = new Life();
  return life.spend(() => fn(reads(raw, life)));
}

/** Runs `fn` on a write transaction that dies with it; committing or rolling back is the backend's. */
export function runWrites<T>(raw: RawWrites, fn: (tx: WriteTransaction) => Promise<T>): Promise<T> {
  const life = new Life();
  return life.spend(() => fn(writes(raw, life)));
}

function reads(raw: RawReads, life: Life): ReadTransaction {
  return {
    get: (key) => life.operation(() => raw.get(checkedKey(key))),
    scan: (range) => life.operation(() => (isEmpty(checkedRange(range)) ? [] : raw.scan(range))),
  };
}

function writes(raw: RawWrites, life: Life): WriteTransaction {
  return {
    ...reads(raw, life),
    put: (key, value) => life.operation(() => raw.put(checkedKey(key), checkedValue(value))),
    delete: (key) => life.operation(() => raw.delete(checkedKey(key))),
  };
}

class Life {
  #ended = false;
  #failed = false;
  #failure: unknown;

  /** A transaction of which one operation failed may hold half of what was meant, so it fails as a whole. */
  async spend<T>(fn: () => Promise<T>): Promise<T> {
    try {
      const value = await fn();
      if (this.#failed) throw this.#failure;
      return value;
    } finally {
      this.#ended = true;
    }
  }

  #remember(error: unknown): void {
    if (!this.#failed) this.#failure = error;
    this.#failed = true;
  }

  /** Not `async`: most backends answer at once, and each promise more is a turn of the queue of microtasks. */
  operation<T>(run: () => Awaitable<T>): Promise<T> {
    if (this.#ended) {
      return Promise.reject(new PosternError("bug", { detail: "a transaction was used after its end" }));
    }
    try {
      const done = run();
      return done instanceof Promise
        ? done.catch((error) => {
            this.#remember(error);
            throw error;
          })
        : Promise.resolve(done);
    } catch (error) {
      this.#remember(error);
      return Promise.reject(error);
    }
  }
}

function checkedKey(key: Uint8Array): Uint8Array {
  if (key.length < 1 || key.length > MAX_KEY_BYTES) throw outOfBounds("a key", key.length);
  return key;
}

function checkedValue(value: Uint8Array): Uint8Array {
  if (value.length > MAX_VALUE_BYTES) throw outOfBounds("a value", value.length);
  return value;
}

function checkedRange(range: KeyRange): KeyRange {
  for (const end of [range.from, range.to]) {
    if (end.length > MAX_KEY_BYTES) throw outOfBounds("the end of a range", end.length);
  }
  if (range.limit !== undefined && !(Number.isSafeInteger(range.limit) && range.limit >= 0)) {
    throw new PosternError("bug", { detail: "the limit of a range is not a whole number" });
  }
  return range;
}

function isEmpty({ from, to, limit }: KeyRange): boolean {
  return limit === 0 || Buffer.compare(from, to) >= 0;
}

function outOfBounds(what: string, length: number): PosternError {
  return new PosternError("bug", { detail: `${what} of ${length} bytes` });
}
