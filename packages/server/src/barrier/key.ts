import { PosternError } from "@postern/shared/errors";

/** A part of a key: bytes, text (its UTF-8), or a whole number from 0 up. */
export type KeyPart = Uint8Array | string | number;

const BYTES = 0x01;
const NUMBER = 0x02;
const ZERO = 0x00;
const ESCAPED = 0xff;

/**
 * One key of several parts, from which the parts could be read back, so that no two lists of parts make one key.
 *
 * bytes and text: 0x01, the bytes with every 0x00 written as 0x00 0xff, then 0x00 0x00; a number: 0x02, 8 bytes
 * big-endian. Hence bytewise order is the order of the parts, and the key of some parts is the beginning of the keys
 * of exactly those lists that begin with them.
 * @throws PosternError `bug` for a number that is not a safe integer from 0 up
 */
export function concatKey(...parts: readonly KeyPart[]): Buffer {
  const encoded = parts.map((part) => (typeof part === "string" ? Buffer.from(part, "utf8") : part));
  const key = Buffer.allocUnsafe(encoded.reduce<number>((size, part) => size + roomFor(part), 0));
  let at = 0;
  for (const part of encoded) at = typeof part === "number" ? writeNumber(key, at, part) : writeBytes(key, at, part);
  return key;
}

function roomFor(part: Uint8Array | number): number {
  if (typeof part === "number") return 9;
  let zeros = 0;
  for (const byte of part) if (byte === ZERO) zeros += 1;
  return 1 + part.length + zeros + 2;
}

function writeNumber(key: Buffer, at: number, number: number): number {
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new PosternError("bug", { detail: `${number} as a part of a key` });
  }
  key[at] = NUMBER;
  key.writeUInt32BE(Math.floor(number / 2 ** 32), at + 1);
  return key.writeUInt32BE(number % 2 ** 32, at + 5);
}

function writeBytes(key: Buffer, from: number, part: Uint8Array): number {
  let at = from;
  key[at++] = BYTES;
  for (const byte of part) {
    key[at++] = byte;
    if (byte === ZERO) key[at++] = ESCAPED;
  }
  key[at++] = ZERO;
  key[at++] = ZERO;
  return at;
}
