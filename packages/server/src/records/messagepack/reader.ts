import { PosternError } from "@postern/shared/errors";

/**
 * Values of MessagePack, one after another, out of the bytes of a record. Each method takes the value that comes next,
 * which must be what the caller expects: anything else, and a value that goes beyond the end, is a damaged store.
 * Integers may have any width, and the form of a floating-point number, but not 64 bits: no record was ever written so.
 */
export class Reader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from = 0, to = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** There must be nothing behind what was read. */
  end(): void {
    if (this.#at !== this.#end) throw damaged();
  }

  number(): number {
    const token = this.#byte();
    if (token < 0x80) return token;
    if (token >= 0xe0) return token - 0x100;
    switch (token) {
      case 0xcc:
        return this.#byte();
      case 0xcd:
        return this.#bytes.readUInt16BE(this.#pass(2));
      case 0xce:
        return this.#bytes.readUInt32BE(this.#pass(4));
      case 0xd0:
        return this.#bytes.readInt8(this.#pass(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#pass(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#pass(4));
      case 0xca:
        return this.#bytes.readFloatBE(this.#pass(4));
      case 0xcb:
        return this.#bytes.readDoubleBE(this.#pass(8));
      default:
        throw damaged();
    }
  }

  boolean(): boolean {
    const token = this.#byte();
    if (token !== 0xc2 && token !== 0xc3) throw damaged();
    return token === 0xc3;
  }

  /** What is not UTF-8 is read as U+FFFD, as it always was. */
  text(): string {
    const size = this.#textSize();
    const at = this.#pass(size);
    return this.#bytes.toString("utf8", at, at + size);
  }

  /** A text, as its place among those that it may be, or -1; the one at `likely` is tried first, and those behind it. */
  oneOf(texts: readonly Uint8Array[], likely = 0): number {
    const size = this.#textSize();
    const at = this.#pass(size);
    for (let index = likely; index < texts.length; index++) if (this.#is(texts[index], at, size)) return index;
    for (let index = 0; index < likely; index++) if (this.#is(texts[index], at, size)) return index;
    return -1;
  }

  /** A part of the bytes that are read, not a copy. */
  bytes(): Buffer {
    const token = this.#byte();
    const size = token === 0xc4 ? this.#byte() : token === 0xc5 ? this.#uint16() : token === 0xc6 ? this.#uint32() : -1;
    if (size < 0) throw damaged();
    const at = this.#pass(size);
    return this.#bytes.subarray(at, at + size);
  }

  /** How many values follow, none of which is there already: what has no room for them is refused at once. */
  arraySize(): number {
    const token = this.#byte();
    const size =
      token >> 4 === 0x9 ? token & 0xf : token === 0xdc ? this.#uint16() : token === 0xdd ? this.#uint32() : -1;
    if (size < 0 || size > this.#end - this.#at) throw damaged();
    return size;
  }

  /** How many names follow, each with its value. */
  mapSize(): number {
    const token = this.#byte();
    const size =
      token >> 4 === 0x8 ? token & 0xf : token === 0xde ? this.#uint16() : token === 0xdf ? this.#uint32() : -1;
    if (size < 0 || size > (this.#end - this.#at) / 2) throw damaged();
    return size;
  }

  /** Whether a member comes next that is named and has no value: msgpackr wrote those, as an extension of type 0. */
  isUndefined(): boolean {
    const at = this.#at;
    const bytes = this.#bytes;
    if (at + 3 > this.#end || bytes[at] !== 0xd4 || bytes[at + 1] !== 0 || bytes[at + 2] !== 0) return false;
    this.#at += 3;
    return true;
  }

  isNull(): boolean {
    if (this.#bytes[this.#at] !== 0xc0) return false;
    this.#pass(1);
    return true;
  }

  /** Which of `tags` the map that comes next has under `name`, or -1. Nothing is taken. */
  tag(name: Uint8Array, tags: readonly Uint8Array[]): number {
    const start = this.#at;
    const names = [name];
    for (let left = this.mapSize(); left > 0; left--) {
      if (this.oneOf(names) === 0) {
        const tag = this.oneOf(tags);
        this.#at = start;
        return tag;
      }
      this.skip();
    }
    return -1;
  }

  /** Passes over one value, whatever it is. */
  skip(): void {
    for (let left = 1; left > 0; left--) left += this.#skipHead();
  }

  /** What kind of value comes next, for who takes any. */
  next(): "number" | "boolean" | "text" | "bytes" | "array" | "map" | "other" {
    const token = this.#at < this.#end ? this.#bytes.readUInt8(this.#at) : 0xc1;
    if (token < 0x80 || token >= 0xe0) return "number";
    if (token < 0x90 || token === 0xde || token === 0xdf) return "map";
    if (token < 0xa0 || token === 0xdc || token === 0xdd) return "array";
    if (token < 0xc0 || (token >= 0xd9 && token <= 0xdb)) return "text";
    if (token === 0xc2 || token === 0xc3) return "boolean";
    if (token >= 0xc4 && token <= 0xc6) return "bytes";
    return (token >= 0xca && token <= 0xce) || (token >= 0xd0 && token <= 0xd2) ? "number" : "other";
  }

  /** Passes a value without those that it holds, and says how many that are. */
  #skipHead(): number {
    const token = this.#byte();
    if (token < 0x80 || token >= 0xe0) return 0;
    if (token < 0x90) return 2 * (token & 0xf);
    if (token < 0xa0) return token & 0xf;
    const [width, more, held] = token < 0xc0 ? ([0, token & 0x1f, 0] as const) : (heads[token - 0xc0] ?? unused);
    if (width < 0) throw damaged();
    const size = width === 0 ? 0 : this.#bytes.readUIntBE(this.#pass(width), width);
    this.#pass(held > 0 ? 0 : size + more);
    return held * size;
  }

  #textSize(): number {
    const token = this.#byte();
    if (token >> 5 === 0b101) return token & 0x1f;
    if (token === 0xd9) return this.#byte();
    if (token === 0xda) return this.#uint16();
    if (token === 0xdb) return this.#uint32();
    throw damaged();
  }

  #is(text: Uint8Array | undefined, at: number, size: number): boolean {
    if (text === undefined || text.length !== size) return false;
    const bytes = this.#bytes;
    for (let index = 0; index < size; index++) if (bytes[at + index] !== text[index]) return false;
    return true;
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (byte === undefined) throw damaged();
    this.#at += 1;
    return byte;
  }

  #uint16(): number {
    return this.#bytes.readUInt16BE(this.#pass(2));
  }

  #uint32(): number {
    return this.#bytes.readUInt32BE(this.#pass(4));
  }

  /** Takes so many bytes, and says where they begin. */
  #pass(size: number): number {
    const at = this.#at;
    if (size > this.#end - at) throw damaged();
    this.#at = at + size;
    return at;
  }
}

/** How many bytes tell a value's size, how many are behind them in any case, how many values are held for each of it. */
type Head = readonly [width: number, more: number, held: number];
const unused: Head = [-1, 0, 0];

/** By the token, from 0xc0 on. */
const heads: readonly Head[] = [
  // nil, none, false, true
  [0, 0, 0],
  unused,
  [0, 0, 0],
  [0, 0, 0],
  // bytes
  [1, 0, 0],
  [2, 0, 0],
  [4, 0, 0],
  // extensions with their type
  [1, 1, 0],
  [2, 1, 0],
  [4, 1, 0],
  // floating-point numbers
  [0, 4, 0],
  [0, 8, 0],
  // integers, without and with a sign
  [0, 1, 0],
  [0, 2, 0],
  [0, 4, 0],
  [0, 8, 0],
  [0, 1, 0],
  [0, 2, 0],
  [0, 4, 0],
  [0, 8, 0],
  // extensions of one size
  [0, 2, 0],
  [0, 3, 0],
  [0, 5, 0],
  [0, 9, 0],
  [0, 17, 0],
  // texts
  [1, 0, 0],
  [2, 0, 0],
  [4, 0, 0],
  // arrays and maps
  [2, 0, 1],
  [4, 0, 1],
  [2, 0, 2],
  [4, 0, 2],
];

export function damaged(): PosternError {
  return new PosternError("store_damaged", { detail: "a record does not have its form" });
}
