/** Records are written into memory of this module's own, never into the pool that all of Node's buffers share. */
const ARENA_BYTES = 16_384;
/** Where less than this is left a record begins in a new arena: one that outgrows its arena has to be copied. */
const USUAL_BYTES = 2560;
/** Up to so many characters a text of ASCII is written faster by hand. */
const SHORT_TEXT = 64;

/**
 * Writes values of MessagePack, each in the form that msgpackr gives it: integers and sizes in the fewest bytes, but the
 * number of a map's members always in two; what is no integer of 32 bits as a floating-point number of 64. So the bytes
 * of a record are the same whichever of the two wrote it.
 */
export class Writer {
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  #start = 0;
  #at = 0;

  begin(): void {
    if (this.#arena.length - this.#at < USUAL_BYTES) {
      this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
      this.#at = 0;
    }
    this.#start = this.#at;
  }

  /** What was written since it began. Nothing else is ever written there. */
  written(): Buffer {
    return this.#arena.subarray(this.#start, this.#at);
  }

  number(value: number): void {
    if (value >>> 0 === value) {
      if (value < 0x80) this.#put(value, 0, 0);
      else this.#sized(0xcc, value);
    } else if (value >> 0 === value) {
      if (value >= -0x20) this.#put(0x100 + value, 0, 0);
      else this.#negative(value);
    } else {
      const at = this.#put(0xcb, 0, 8);
      this.#arena.writeDoubleBE(value, at);
    }
  }

  boolean(value: boolean): void {
    this.#put(value ? 0xc3 : 0xc2, 0, 0);
  }

  null(): void {
    this.#put(0xc0, 0, 0);
  }

  /** What stands for a value that is not there: an extension of type 0 that holds a 0. */
  undefined(): void {
    this.#put(0xd4, 0, 2);
  }

  text(value: string): void {
    const size = Buffer.byteLength(value, "utf8");
    if (size < 0x20) this.#put(0xa0 | size, 0, 0);
    else this.#sized(0xd9, size);
    const at = this.#pass(size);
    const arena = this.#arena;
    if (size > SHORT_TEXT || size !== value.length) arena.write(value, at, "utf8");
    else for (let index = 0; index < size; index++) arena[at + index] = value.charCodeAt(index);
  }

  bytes(value: Uint8Array): void {
    this.#sized(0xc4, value.length);
    const at = this.#pass(value.length);
    this.#arena.set(value, at);
  }

  /** As many values follow. */
  array(size: number): void {
    if (size < 0x10) this.#put(0x90 | size, 0, 0);
    else if (size < 0x10000) this.#put(0xdc, size, 2);
    else this.#put(0xdd, size, 4);
  }

  /** Members follow, names and values in turn; `endMap` says how many. */
  beginMap(): number {
    return this.#put(0xde, 0, 2) - this.#start;
  }

  endMap(map: number, size: number): void {
    this.#arena.writeUInt16BE(size, this.#start + map);
  }

  /** What is MessagePack already. */
  packed(value: Uint8Array): void {
    const at = this.#pass(value.length);
    const arena = this.#arena;
    for (let index = 0; index < value.length; index++) arena[at + index] = value[index] as number;
  }

  /** Bytes of 0 that are no value. */
  zeros(count: number): void {
    const at = this.#pass(count);
    this.#arena.fill(0, at, at + count);
  }

  /** In 1, 2 or 4 bytes, behind the first of three tokens or one of those after it. */
  #sized(token: number, value: number): void {
    if (value < 0x100) this.#put(token, value, 1);
    else if (value < 0x10000) this.#put(token + 1, value, 2);
    else this.#put(token + 2, value, 4);
  }

  #negative(value: number): void {
    if (value >= -0x80) this.#put(0xd0, value, 1);
    else if (value >= -0x8000) this.#put(0xd1, value, 2);
    else this.#put(0xd2, value, 4);
  }

  /** A token and an integer of so many bytes behind it, big-endian; says where that stands. */
  #put(token: number, value: number, width: number): number {
    const at = this.#pass(1 + width);
    const arena = this.#arena;
    arena[at] = token;
    for (let index = width, rest = value; index > 0; index--, rest >>= 8) arena[at + index] = rest;
    return at + 1;
  }

  /** Makes room for so many bytes, and says where they begin. */
  #pass(size: number): number {
    if (this.#arena.length - this.#at < size) this.#grow(size);
    const at = this.#at;
    this.#at = at + size;
    return at;
  }

  #grow(size: number): void {
    const written = this.written();
    this.#arena = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, 2 * (written.length + size)));
    this.#arena.set(written);
    written.fill(0);
    this.#start = 0;
    this.#at = written.length;
  }
}
