import { PosternError } from "@postern/shared/errors";
import {
  type Awaitable,
  type Entry,
  type KeyRange,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  type ReadTransaction,
  type WriteTransaction,
} from "./storage.js";

/**
 * The rules that hold for a transaction of any backend stand here once: bounds of keys and values, the death of a
 * `tx` with its `fn`, and that a failure of the backend is `store_failed` and cannot be swallowed. A backend sees only
 * checked arguments.
 */
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
export function runReads<T>(raw: RawReads, fn: (tx: ReadTransaction) => Awaitable<T>): Promise<T> {
  const life = new Life();
  return spend(life, new Reads(raw, life), fn);
}

/** Runs `fn` on a write transaction that dies with it; committing or rolling back is the backend's. */
export function runWrites<T>(raw: RawWrites, fn: (tx: WriteTransaction) => Awaitable<T>): Promise<T> {
  const life = new Life();
  return spend(life, new Writes(raw, life), fn);
}

async function spend<Tx, T>(life: Life, tx: Tx, fn: (tx: Tx) => Awaitable<T>): Promise<T> {
  try {
    const value = await fn(tx);
    life.refuseFailed();
    return value;
  } finally {
    life.end();
  }
}

/** Not `async`: most backends answer at once, and each promise more is a turn of the queue of microtasks. */
class Reads implements ReadTransaction {
  readonly #raw: RawReads;
  readonly #life: Life;

  constructor(raw: RawReads, life: Life) {
    this.#raw = raw;
    this.#life = life;
  }

  get(key: Uint8Array): Awaitable<Buffer | undefined> {
    try {
      this.#life.refuseEnded();
      checkKey(key);
      return this.#life.watch(this.#raw.get(key));
    } catch (error) {
      return this.#life.fail(error);
    }
  }

  scan(range: KeyRange): Awaitable<Entry[]> {
    try {
      this.#life.refuseEnded();
      checkRange(range);
      return isEmpty(range) ? [] : this.#life.watch(this.#raw.scan(range));
    } catch (error) {
      return this.#life.fail(error);
    }
  }
}

class Writes extends Reads implements WriteTransaction {
  readonly #raw: RawWrites;
  readonly #life: Life;

  constructor(raw: RawWrites, life: Life) {
    super(raw, life);
    this.#raw = raw;
    this.#life = life;
  }

  put(key: Uint8Array, value: Uint8Array): Awaitable<void> {
    try {
      this.#life.refuseEnded();
      checkKey(key);
      checkValue(value);
      return this.#life.watch(this.#raw.put(key, value));
    } catch (error) {
      return this.#life.fail(error);
    }
  }

  delete(key: Uint8Array): Awaitable<void> {
    try {
      this.#life.refuseEnded();
      checkKey(key);
      return this.#life.watch(this.#raw.delete(key));
    } catch (error) {
      return this.#life.fail(error);
    }
  }
}

class Life {
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  /** A transaction of which one operation failed may hold half of what was meant, so it fails as a whole. */
  refuseFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  refuseEnded(): void {
    if (this.#ended) throw new PosternError("bug", { detail: "a transaction was used after its end" });
  }

  end(): void {
    this.#ended = true;
  }

  fail(thrown: unknown): Promise<never> {
    const error =
      thrown instanceof PosternError
        ? thrown
        : new PosternError("store_failed", { detail: "an operation", cause: thrown });
    this.#failure ??= { error };
    return Promise.reject(error);
  }

  /** What an operation gives, now or later, of which no failure is missed. */
  watch<T>(given: Awaitable<T>): Awaitable<T> {
    return given instanceof Promise ? given.catch((error) => this.fail(error)) : given;
  }
}

function checkKey(key: Uint8Array): void {
  if (key.length < 1 || key.length > MAX_KEY_BYTES) throw outOfBounds("a key", key.length);
}

function checkValue(value: Uint8Array): void {
  if (value.length > MAX_VALUE_BYTES) throw outOfBounds("a value", value.length);
}

function checkRange({ from, to, limit }: KeyRange): void {
  const longest = Math.max(from.length, to.length);
  if (longest > MAX_KEY_BYTES) throw outOfBounds("the end of a range", longest);
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new PosternError("bug", { detail: "the limit of a range is not a whole number" });
  }
}

function isEmpty({ from, to, limit }: KeyRange): boolean {
  return limit === 0 || Buffer.compare(from, to) >= 0;
}

function outOfBounds(what: string, length: number): PosternError {
  return new PosternError("bug", { detail: `${what} of ${length} bytes` });
}
