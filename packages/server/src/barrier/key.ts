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
  return Buffer.concat(parts.map((part) => (typeof part === "number" ? encodeNumber(part) : encodeBytes(part))));
}

function encodeNumber(number: number): Buffer {
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new PosternError("bug", { detail: `${number} as a part of a key` });
  }
  const encoded = Buffer.alloc(9);
  encoded.writeUInt8(NUMBER, 0);
  encoded.writeBigUInt64BE(BigInt(number), 1);
  return encoded;
}

function encodeBytes(part: Uint8Array | string): Buffer {
  const encoded = [BYTES];
  for (const byte of typeof part === "string" ? Buffer.from(part, "utf8") : part) {
    if (byte === ZERO) encoded.push(ZERO, ESCAPED);
    else encoded.push(byte);
  }
  return Buffer.from([...encoded, ZERO, ZERO]);
}
