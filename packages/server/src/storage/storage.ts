/**
 * Storage is completely untrusted: it may lose, reorder, swap, repeat or alter what it was given, and show it to
 * anyone. Only sealed bytes and keys that tell nothing reach it. What it does promise, when it is honest, is order
 * and durability:
 *
 * - `transact(fn)` runs `fn` in a serializable transaction. When `fn` throws, nothing of it remains and the same
 *   error comes out. When the promise resolves, the writes are durable: they survive `kill -9` and a power cut.
 * - `fn` may run again on a conflict with another process. So it awaits only its own `tx`, draws its randomness
 *   inside, and acts on the outside only through its return value.
 * - `read(fn)` runs `fn` on one consistent snapshot of committed data, no older than the call. It sees no
 *   transaction's unfinished writes. Here `fn` may await other things too, and for long: the snapshot stays. Other
 *   processes go on meanwhile; calls of this one may have to wait.
 * - Any number of calls may be made at once; they take effect as if one after another. A `transact`, `read` or
 *   `close` inside of `fn` is a bug: it would wait for itself, and throws where that is watched (`watchNesting`).
 * - A `tx` is dead once its `fn` has ended: using it then throws.
 * - When the store itself fails, the call is refused with `store_failed` and nothing of it remains, even if `fn`
 *   caught the error of its `tx`. Later calls succeed again when the cause is gone.
 *
 * Keys are 1 to 512 bytes in bytewise order; values 0 to 16 MiB. Bytes that come out are the caller's own: changing
 * them changes nothing stored; bytes that went in may be changed by the caller afterwards. A misuse (nesting, a dead
 * `tx`, bytes out of bounds) has the code `bug`.
 */
export interface Storage {
  transact<T>(fn: (tx: WriteTransaction) => Awaitable<T>): Promise<T>;
  read<T>(fn: (tx: ReadTransaction) => Awaitable<T>): Promise<T>;
  /** Waits for what was begun, then lets go of everything. Calls after it are refused with `store_failed`. */
  close(): Promise<void>;
}

/** What is there at once, where a backend has it at hand, or else a promise. A failure always is one that rejects. */
export type Awaitable<T> = T | Promise<T>;

export interface ReadTransaction {
  get(key: Uint8Array): Awaitable<Buffer | undefined>;
  /** The entries of a range in the order of their keys (or against it), at most `limit`. */
  scan(range: KeyRange): Awaitable<Entry[]>;
}

export interface WriteTransaction extends ReadTransaction {
  put(key: Uint8Array, value: Uint8Array): Awaitable<void>;
  /** Deleting what is not there is not an error. */
  delete(key: Uint8Array): Awaitable<void>;
}

export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * From `from` (included) up to `to` (excluded), each of 0 to 512 bytes. Empty when `to` is not above `from`.
 * `limit` is a whole number; without it all entries come. `reverse` begins at the end of the range.
 */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly limit?: number | undefined;
  readonly reverse?: boolean | undefined;
}

export const MAX_KEY_BYTES = 512;
export const MAX_VALUE_BYTES = 16 * 1024 * 1024;
