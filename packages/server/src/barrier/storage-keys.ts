import { PosternError } from "@postern/shared/errors";
import { type KeyRange, MAX_KEY_BYTES } from "../storage/storage.js";

/**
 * The first byte of every storage key says whose it is: the barrier's own values stand under 0x00, those of callers
 * under 0x01. So no key that a caller can name reaches the header or the keyring.
 */
export const HEADER_KEY = Buffer.from("\0header", "latin1");
export const KEYRING_KEY = Buffer.from("\0keyring", "latin1");

/** Is there only within a transaction that tries whether the storage can commit. */
export const PROBE_KEY = Buffer.from("\0probe", "latin1");

/** What a migration leaves where it comes in, until it is whole; and where it went away from (`migration-notes.ts`). */
export const ARRIVAL_KEY = Buffer.from("\0arrival", "latin1");
export const DEPARTURE_KEY = Buffer.from("\0departure", "latin1");

const RECORD = 0x01;

/** All there can be in a storage. */
export const everything: KeyRange = { from: Buffer.alloc(0), to: Buffer.alloc(MAX_KEY_BYTES, 0xff) };

/** All that a migration copies as it stands: the keyring and the records. The header goes by itself, at the end. */
export const migrated: KeyRange = { from: KEYRING_KEY, to: everything.to };

/** The bytes that callers may give a key. */
export const MAX_RECORD_KEY_BYTES = MAX_KEY_BYTES - 1;

/** A range of callers' keys, from `from` (included) up to `to` (excluded); a bound left out is no bound. */
export interface SealedRange extends Bounds {
  readonly limit?: number;
  readonly reverse?: boolean;
}

export interface Bounds {
  readonly from?: Uint8Array;
  readonly to?: Uint8Array;
}

/** @throws PosternError `bug` for a key that is not 1 to 511 bytes */
export function recordKey(key: Uint8Array): Buffer {
  if (key.length < 1 || key.length > MAX_RECORD_KEY_BYTES) {
    throw new PosternError("bug", { detail: `a record's key of ${key.length} bytes` });
  }
  return behindByte(RECORD, key);
}

export function recordRange({ from, to, limit, reverse }: SealedRange): KeyRange {
  return {
    from: from === undefined ? Buffer.of(RECORD) : behindByte(RECORD, from),
    to: to === undefined ? Buffer.of(RECORD + 1) : behindByte(RECORD, to),
    limit,
    reverse,
  };
}

/** A byte that says whose or what a key is, and the parts of the key behind it. */
export function behindByte(first: number, ...parts: readonly Uint8Array[]): Buffer {
  const key = Buffer.allocUnsafe(parts.reduce((size, part) => size + part.length, 1));
  key[0] = first;
  let at = 1;
  for (const part of parts) {
    key.set(part, at);
    at += part.length;
  }
  return key;
}

export function isRecordKey(storageKey: Uint8Array): boolean {
  return storageKey[0] === RECORD;
}

/** The caller's key within a storage key. */
export function callersKey(storageKey: Buffer): Buffer {
  return storageKey.subarray(1);
}
