import { PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";
import { type Entry, MAX_KEY_BYTES, MAX_VALUE_BYTES } from "../storage/storage.js";
import type { SecureBuffer } from "./secure-buffer.js";

/**
 * The bytes of a backup. Numbers are big-endian.
 *
 * ```
 * magic     16  "POSTERN BACKUP" 0x00 0x00
 * format     2  1
 * then sections: kind (1 byte), length of the body (4), body, seal (32)
 *
 * kind 1, the head, once:  store id (16), time in ms since 1970 (8), salt (32),
 *                          the store's header: length (4), bytes; its keyring, sealed: length (4), bytes
 * kind 2, entries:         key length (2), value length (4), key, value; again and again
 * kind 3, the end, once:   how many entries there were (8), and how many bytes of keys and values (8)
 * ```
 *
 * Keys and values stand as they are in storage, in the order of the keys: sealed. A section's seal is
 * BLAKE2b-256(backup key; seal of the section before (32 zeros for the head) ‖ magic ‖ format ‖ kind ‖ length ‖ body).
 * So whoever lacks the root key can neither change a byte nor leave out, add, double or reorder an entry or a section,
 * nor put the end of one backup behind the beginning of another: the salt is drawn for each.
 */
export const BACKUP_FORMAT = 1;

export const BACKUP_SALT_BYTES = 32;
export const SEAL_BYTES = 32;
const STORE_ID_BYTES = 16;

const MAGIC = Buffer.from("POSTERN BACKUP\0\0", "latin1");
export const PREAMBLE_BYTES = MAGIC.length + 2;
export const SECTION_HEAD_BYTES = 5;

const ENTRY_HEAD_BYTES = 6;
/** A section is closed when it has so much: what is read, checked and put into a storage at once. */
export const SECTION_BYTES = 2 ** 20;
/** One entry more than that, of the greatest size. */
const MAX_SECTION_BYTES = SECTION_BYTES + ENTRY_HEAD_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES;
/** A header has 138 bytes, and a keyring some for each term; no head is longer than this. */
const MAX_HEAD_BYTES = 2 ** 20;

export type SectionKind = "head" | "entries" | "end";
const kinds = { head: 1, entries: 2, end: 3 } as const satisfies Record<SectionKind, number>;

export interface BackupHead {
  /** 32 hex digits. */
  readonly storeId: string;
  /** When it was made; milliseconds since 1970. */
  readonly time: number;
  readonly salt: Buffer;
  /** The store's header, and its keyring, as they are stored. */
  readonly header: Buffer;
  readonly keyring: Buffer;
}

export interface BackupTotals {
  readonly entries: number;
  /** Of keys and values. */
  readonly bytes: number;
}

export function encodePreamble(): Buffer {
  const format = Buffer.alloc(2);
  format.writeUInt16BE(BACKUP_FORMAT);
  return Buffer.concat([MAGIC, format]);
}

/** @throws PosternError `backup_foreign`, `backup_future`, `backup_damaged` when it is cut off */
export function checkPreamble(bytes: Buffer): void {
  const begun = Math.min(bytes.length, MAGIC.length);
  if (begun === 0 || !bytes.subarray(0, begun).equals(MAGIC.subarray(0, begun)))
    throw new PosternError("backup_foreign");
  if (bytes.length < PREAMBLE_BYTES) throw damaged(`it ends at byte ${bytes.length}`);
  const format = bytes.readUInt16BE(MAGIC.length);
  if (format > BACKUP_FORMAT) throw new PosternError("backup_future");
  if (format !== BACKUP_FORMAT) throw damaged("it has no known format");
}

export function encodeSectionHead(kind: SectionKind, length: number): Buffer {
  const head = Buffer.alloc(SECTION_HEAD_BYTES);
  head.writeUInt8(kinds[kind], 0);
  head.writeUInt32BE(length, 1);
  return head;
}

/** What the next section says it is; undefined when there is no such kind, or none is so long. */
export function parseSectionHead(bytes: Buffer): { kind: SectionKind; length: number } | undefined {
  const length = bytes.readUInt32BE(1);
  switch (bytes[0]) {
    case kinds.head:
      return length <= MAX_HEAD_BYTES ? { kind: "head", length } : undefined;
    case kinds.entries:
      return length <= MAX_SECTION_BYTES ? { kind: "entries", length } : undefined;
    case kinds.end:
      return length === END_BYTES ? { kind: "end", length } : undefined;
    default:
      return undefined;
  }
}

/** The seals of the sections of one backup, one after another. */
export class BackupSeals {
  readonly #key: SecureBuffer;
  #last: Buffer = Buffer.alloc(SEAL_BYTES);

  /** Takes over the key. */
  constructor(key: SecureBuffer) {
    this.#key = key;
  }

  next(kind: SectionKind, body: Buffer): Buffer {
    const seal = Buffer.alloc(SEAL_BYTES);
    const sealed = Buffer.concat([this.#last, encodePreamble(), encodeSectionHead(kind, body.length), body]);
    this.#key.use((key) => sodium.crypto_generichash(seal, sealed, key));
    this.#last = seal;
    return seal;
  }

  wipe(): void {
    this.#key.wipe();
  }
}

export function encodeHead({ storeId, time, salt, header, keyring }: BackupHead): Buffer {
  const fixed = Buffer.alloc(8);
  fixed.writeBigUInt64BE(BigInt(time));
  return Buffer.concat([Buffer.from(storeId, "hex"), fixed, salt, ...withLength(header), ...withLength(keyring)]);
}

/** Undefined when it does not have its form. Nothing of it is more than a claim before its seal was checked. */
export function parseHead(body: Buffer): BackupHead | undefined {
  const saltAt = STORE_ID_BYTES + 8;
  const headerAt = saltAt + BACKUP_SALT_BYTES;
  const header = takeLength(body, headerAt);
  const keyring = header && takeLength(body, header.end);
  if (header === undefined || keyring === undefined || keyring.end !== body.length) return undefined;
  const time = body.readBigUInt64BE(STORE_ID_BYTES);
  if (time > MAX_TIME) return undefined;
  return {
    storeId: body.toString("hex", 0, STORE_ID_BYTES),
    time: Number(time),
    salt: body.subarray(saltAt, headerAt),
    header: header.bytes,
    keyring: keyring.bytes,
  };
}

/** What Date can hold. */
const MAX_TIME = 8_640_000_000_000_000n;

function withLength(bytes: Buffer): Buffer[] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

function takeLength(body: Buffer, at: number): { bytes: Buffer; end: number } | undefined {
  if (at + 4 > body.length) return undefined;
  const end = at + 4 + body.readUInt32BE(at);
  return end > body.length ? undefined : { bytes: body.subarray(at + 4, end), end };
}

export function encodeEntry({ key, value }: Entry): Buffer {
  const head = Buffer.alloc(ENTRY_HEAD_BYTES);
  head.writeUInt16BE(key.length, 0);
  head.writeUInt32BE(value.length, 2);
  return Buffer.concat([head, key, value]);
}

/** Undefined when the body is not made of entries of sizes that a storage takes. */
export function parseEntries(body: Buffer): Entry[] | undefined {
  const entries: Entry[] = [];
  for (let at = 0; at < body.length; ) {
    if (at + ENTRY_HEAD_BYTES > body.length) return undefined;
    const keyAt = at + ENTRY_HEAD_BYTES;
    const valueAt = keyAt + body.readUInt16BE(at);
    const end = valueAt + body.readUInt32BE(at + 2);
    const fits = valueAt > keyAt && valueAt - keyAt <= MAX_KEY_BYTES && end - valueAt <= MAX_VALUE_BYTES;
    if (!fits || end > body.length) return undefined;
    entries.push({ key: body.subarray(keyAt, valueAt), value: body.subarray(valueAt, end) });
    at = end;
  }
  return entries;
}

const END_BYTES = 16;

export function encodeEnd({ entries, bytes }: BackupTotals): Buffer {
  const end = Buffer.alloc(END_BYTES);
  end.writeBigUInt64BE(BigInt(entries), 0);
  end.writeBigUInt64BE(BigInt(bytes), 8);
  return end;
}

export function isEndOf(body: Buffer, totals: BackupTotals): boolean {
  return body.equals(encodeEnd(totals));
}

export function damaged(detail: string): PosternError {
  return new PosternError("backup_damaged", { detail });
}
