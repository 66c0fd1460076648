import { PosternError } from "@postern/shared/errors";
import { Packr } from "msgpackr";
import { z } from "zod";

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

const packr = new Packr({ useRecords: false, mapsAsObjects: true });

/** Formats 1 to `format` are read; `upgrade` brings the fields of the one before to today's. */
export function recordCodec<S extends z.ZodType>(
  schema: S,
  { format, upgrade }: { format: number; upgrade?: (fields: unknown) => unknown },
): Codec<z.infer<S>> {
  return {
    encode: (record) => packr.pack([format, record]),
    decode(bytes) {
      const [found, fields] = unpack(bytes);
      if (found > format) throw new PosternError("store_future");
      const current = found === format ? fields : found === format - 1 ? upgrade?.(fields) : undefined;
      const parsed = schema.safeParse(current);
      if (!parsed.success) throw new PosternError("store_damaged", { detail: "a record does not have its form" });
      return parsed.data;
    },
  };
}

/**
 * Fields as bytes of a multiple of `block`: their length in 4 bytes, MessagePack, zeros. They are decoded apart from the
 * record that holds them, and their size says little of what they hold.
 */
export function paddedCodec<S extends z.ZodType>(schema: S, block: number): Codec<z.infer<S>> {
  return {
    encode(fields) {
      const packed = packr.pack(fields);
      const padded = Buffer.alloc(Math.ceil((4 + packed.length) / block) * block);
      padded.writeUInt32BE(packed.length);
      packed.copy(padded, 4);
      packed.fill(0);
      return padded;
    },
    decode(bytes) {
      const parsed = schema.safeParse(unpad(bytes));
      if (!parsed.success)
        throw new PosternError("store_damaged", { detail: "a record's details do not have their form" });
      return parsed.data;
    },
  };
}

function unpad(bytes: Buffer): unknown {
  const length = bytes.length < 4 ? -1 : bytes.readUInt32BE(0);
  if (length < 0 || 4 + length > bytes.length) return undefined;
  try {
    return packr.unpack(bytes.subarray(4, 4 + length));
  } catch {
    return undefined;
  }
}

function unpack(bytes: Buffer): [number, unknown] {
  try {
    const value: unknown = packr.unpack(bytes);
    if (Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0])) return [value[0], value[1]];
  } catch {
    // Falls through: whatever the decoder stumbled on, the record is damaged.
  }
  throw new PosternError("store_damaged", { detail: "a record cannot be decoded" });
}

/** Exactly `length` bytes, or any number of them. */
export const bytes = (length?: number) =>
  z.custom<Buffer>((value) => Buffer.isBuffer(value) && (length === undefined || value.length === length));

/** Milliseconds since 1970. */
export const instant = z.number().int().nonnegative();
