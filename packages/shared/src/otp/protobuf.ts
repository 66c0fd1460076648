/**
 * As much of the protobuf wire format (protobuf.dev/programming-guides/encoding) as an export of authenticators is written
 * in. Strict: a field of ours that comes twice, or in another wire type, is refused; so are groups, field number 0, numbers
 * of more than 64 bits or longer than they need be. Fields that are not asked for are skipped, as the format wants it.
 */
import { PosternError } from "../errors.js";

/** How each known field of a message is written, by its number; `messages` may come any number of times. */
export type Shape = Readonly<Record<number, "integer" | "bytes" | "messages">>;

export interface Message {
  /** As an unsigned number of 64 bits; 0 where the field is not there, which in proto3 is the same. */
  integer(field: number): bigint;
  /** A view of the message's own bytes; empty where the field is not there. */
  bytes(field: number): Buffer;
  messages(field: number): readonly Buffer[];
}

const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

/** @throws `export_invalid` */
export function readMessage(encoded: Buffer, shape: Shape): Message {
  const integers = new Map<number, bigint>();
  const pieces = new Map<number, Buffer[]>();
  const reader = new Reader(encoded);
  while (!reader.atEnd) {
    const { field, wireType } = reader.tag();
    const wanted = shape[field];
    const isInteger = wanted === "integer";
    if (wanted !== undefined && wireType !== (isInteger ? wireTypes.varint : wireTypes.lengthDelimited)) refuse();
    if (wanted !== "messages" && (integers.has(field) || pieces.has(field))) refuse();
    if (wanted === undefined) reader.skip(wireType);
    else if (isInteger) integers.set(field, reader.varint());
    else {
      const before = pieces.get(field) ?? [];
      before.push(reader.lengthDelimited());
      pieces.set(field, before);
    }
  }
  return {
    integer: (field) => integers.get(field) ?? 0n,
    bytes: (field) => pieces.get(field)?.[0] ?? Buffer.alloc(0),
    messages: (field) => pieces.get(field) ?? [],
  };
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  tag(): { field: number; wireType: number } {
    const tag = this.varint();
    const field = tag >> 3n;
    if (field < 1n || field > MAX_FIELD) refuse();
    return { field: Number(field), wireType: Number(tag & 7n) };
  }

  /** Seven bits a byte, the lowest first, the high bit of each saying whether another follows. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#take(1)[0] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (value > MAX_VARINT || (byte === 0 && shift > 0n)) refuse();
      return value;
    }
    return refuse();
  }

  lengthDelimited(): Buffer {
    const length = this.varint();
    if (length > BigInt(this.#bytes.length)) refuse();
    return this.#take(Number(length));
  }

  skip(wireType: number): void {
    if (wireType === wireTypes.varint) this.varint();
    else if (wireType === wireTypes.lengthDelimited) this.lengthDelimited();
    else if (wireType === wireTypes.fixed64) this.#take(8);
    else if (wireType === wireTypes.fixed32) this.#take(4);
    else refuse();
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) refuse();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

const MAX_FIELD = 2n ** 29n - 1n;
const MAX_VARINT = 2n ** 64n - 1n;

function refuse(): never {
  throw new PosternError("export_invalid", { detail: "its data is damaged or cut short" });
}
