import { PosternError } from "@postern/shared/errors";
import type { Kind } from "./kinds.js";
import { damaged, Reader } from "./messagepack/reader.js";
import { Writer } from "./messagepack/writer.js";

/**
 * A record is its format number and its fields, in MessagePack: bytes stay bytes, so that a secret never becomes a
 * string that cannot be wiped. Decoding parses: what does not have the record's form is a damaged store, never a
 * record with a piece missing.
 */
export interface Codec<T> {
  encode(record: T): Buffer;
  /** @throws PosternError `store_damaged`, or `store_future` for a format that this release does not know. */
  decode(bytes: Buffer): T;
}

/** The format before today's, and what its fields are today. */
export interface Former<F, T> {
  readonly kind: Kind<F>;
  upgrade(fields: F): T;
}

/** What an earlier format had stands as it is. */
export const asToday = <T>(kind: Kind<T>): Former<T, T> => ({ kind, upgrade: (fields) => fields });

const writer = new Writer();

/** Formats 1 to `format` are read, as far back as `former` reaches. */
export function recordCodec<T, F = T>(
  kind: Kind<T>,
  { format, former }: { format: number; former?: Former<F, T> },
): Codec<T> {
  return {
    encode(record) {
      writer.begin();
      writer.array(2);
      writer.number(format);
      kind.write(writer, record);
      return writer.written();
    },
    decode(bytes) {
      const from = new Reader(bytes);
      const found = formatOf(from);
      if (found === format) return wholly(from, kind);
      if (found === format - 1 && former !== undefined) return former.upgrade(wholly(from, former.kind));
      from.skip();
      from.end();
      throw new PosternError(found > format ? "store_future" : "store_damaged");
    },
  };
}

/**
 * Fields as bytes of a multiple of `block`: their length in 4 bytes, MessagePack, zeros. They are decoded apart from the
 * record that holds them, and their size says little of what they hold. `holding` wipes the bytes.
 */
export function paddedCodec<T>(kind: Kind<T>, block: number): Codec<T> {
  return {
    encode(fields) {
      writer.begin();
      writer.zeros(LENGTH_BYTES);
      kind.write(writer, fields);
      const { length } = writer.written();
      writer.zeros(Math.ceil(length / block) * block - length);
      const padded = writer.written();
      padded.writeUInt32BE(length - LENGTH_BYTES);
      return padded;
    },
    decode(bytes) {
      const end = bytes.length < LENGTH_BYTES ? undefined : LENGTH_BYTES + bytes.readUInt32BE(0);
      if (end === undefined || end > bytes.length) throw damaged();
      return wholly(new Reader(bytes, LENGTH_BYTES, end), kind);
    },
  };
}

/** Puts padded fields into the record that holds them; their own bytes are wiped. */
export function holding(padded: Buffer, encode: (padded: Buffer) => Buffer): Buffer {
  try {
    return encode(padded);
  } finally {
    padded.fill(0);
  }
}

const LENGTH_BYTES = 4;

function formatOf(from: Reader): number {
  const format = from.arraySize() === 2 ? from.number() : Number.NaN;
  if (!Number.isSafeInteger(format)) throw damaged();
  return format;
}

/** What is read to the end. */
function wholly<T>(from: Reader, kind: Kind<T>): T {
  const value = kind.read(from);
  from.end();
  return value;
}
