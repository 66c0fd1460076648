import { PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";
import { SALT_BYTES, type Stretch, stretchAllowed } from "./admin-password.js";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "./aead.js";

/**
 * The header of a store, the one value that is not sealed as a whole:
 *
 * ```
 *   0   8  magic "POSTERN" 0x00
 *   8   2  format, big-endian as all numbers
 *  10   4  Argon2id memory, KiB
 *  14   4  Argon2id passes
 *  18  16  Argon2id salt
 *  34  24  nonce
 *  58  48  root key, sealed under the wrapping key; bytes 0 to 57 are its associated data
 * 106  32  BLAKE2b-256 of all before
 * ```
 *
 * The checksum needs no key: it finds damage before the password is stretched, and so tells it apart from a wrong
 * password. Magic, format and checksum keep their places in every format to come. Someone who rewrites the header
 * and its checksum only makes every password wrong: the root key opens under what it was sealed with and nothing else.
 */
export interface Header {
  readonly stretch: Stretch;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  readonly wrappedRootKey: Buffer;
}

/** Reads this format and, once there is one, the one before. */
export const HEADER_FORMAT = 1;
export const HEADER_BYTES = 138;

const MAGIC = Buffer.from("POSTERN\0", "latin1");
const CHECKSUM_BYTES = 32;
/** No format will need more; what is longer is not even hashed. */
const MAX_HEADER_BYTES = 4096;

/** All that stands before the wrapped root key: its associated data. */
export function encodeHeaderFields({ stretch, salt, nonce }: Omit<Header, "wrappedRootKey">): Buffer {
  const numbers = Buffer.alloc(10);
  numbers.writeUInt16BE(HEADER_FORMAT, 0);
  numbers.writeUInt32BE(stretch.memoryKiB, 2);
  numbers.writeUInt32BE(stretch.passes, 6);
  return Buffer.concat([MAGIC, numbers, salt, nonce]);
}

export function encodeHeader(header: Header): Buffer {
  const body = Buffer.concat([encodeHeaderFields(header), header.wrappedRootKey]);
  return Buffer.concat([body, checksumOf(body)]);
}

/**
 * @throws PosternError `store_foreign` for what never was a header, `store_future` for an intact one of a later format,
 *   `store_damaged` for everything else, an Argon2id cost outside of what is allowed included
 */
export function parseHeader(bytes: Buffer, floor?: Stretch): Header {
  const intact = isIntact(bytes);
  if (!intact && !resemblesHeader(bytes)) throw new PosternError("store_foreign");
  if (!intact || !startsWithMagic(bytes)) throw damaged("its header does not fit its checksum");
  const format = bytes.readUInt16BE(MAGIC.length);
  if (format > HEADER_FORMAT) throw new PosternError("store_future");
  if (format !== HEADER_FORMAT || bytes.length !== HEADER_BYTES) throw damaged("its header has no known form");
  const stretch = { memoryKiB: bytes.readUInt32BE(10), passes: bytes.readUInt32BE(14) };
  if (!stretchAllowed(stretch, floor)) throw damaged("its header asks for a key stretching outside of what is safe");
  return { stretch, ...splitAfter(bytes, 18) };
}

function splitAfter(bytes: Buffer, start: number): Omit<Header, "stretch"> {
  const nonceAt = start + SALT_BYTES;
  const wrappedAt = nonceAt + NONCE_BYTES;
  return {
    salt: bytes.subarray(start, nonceAt),
    nonce: bytes.subarray(nonceAt, wrappedAt),
    wrappedRootKey: bytes.subarray(wrappedAt, wrappedAt + KEY_BYTES + TAG_BYTES),
  };
}

/** Whether the checksum fits, with the magic taken as what it should be: so a damaged magic is seen as damage. */
function isIntact(bytes: Buffer): boolean {
  if (bytes.length <= MAGIC.length + 2 + CHECKSUM_BYTES || bytes.length > MAX_HEADER_BYTES) return false;
  const body = Buffer.from(bytes.subarray(0, -CHECKSUM_BYTES));
  MAGIC.copy(body);
  return checksumOf(body).equals(bytes.subarray(-CHECKSUM_BYTES));
}

/** Whether it begins as a header does, however short it was cut, or is blank as a lost page is. */
function resemblesHeader(bytes: Buffer): boolean {
  return startsWithMagic(bytes) || bytes.subarray(0, MAGIC.length).every((byte) => byte === 0);
}

function startsWithMagic(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, MAGIC.length);
  return bytes.subarray(0, length).equals(MAGIC.subarray(0, length));
}

function checksumOf(body: Buffer): Buffer {
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  sodium.crypto_generichash(checksum, body);
  return checksum;
}

function damaged(detail: string): PosternError {
  return new PosternError("store_damaged", { detail });
}
