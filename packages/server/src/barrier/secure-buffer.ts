import { timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";
import { PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";

/**
 * How a secret's pages lie between uses.
 *
 * - `noaccess`: any touch kills the process, so a stray read (a core of a bug, an over-long copy) finds nothing. Opening
 *   and shutting the pages costs two system calls, some 4 µs. For what is used seldom.
 * - `readonly`: readable at any time, at no cost. For what is used with every record: a seal of 900 bytes takes
 *   2 µs, and 6 with the two calls around it, while whoever could read these pages could as well read the records.
 */
export type Rest = "noaccess" | "readonly";

/**
 * A secret in sodium's memory: locked out of swap and core files, between guard pages, zeroed when freed.
 *
 * The bytes stand in a `#private` field because printing, comparing or serialising a `noaccess` buffer is a
 * segmentation fault; they are lent out only for the time of a call.
 */
export class SecureBuffer {
  readonly #bytes: Buffer;
  readonly #rest: Rest;
  #uses = 0;
  #wiped = false;

  private constructor(bytes: Buffer, rest: Rest) {
    this.#bytes = bytes;
    this.#rest = rest;
    this.#lie();
  }

  /** What `fill` writes into `size` bytes. When it throws, they are zeroed and its error comes out. */
  static fill(size: number, rest: Rest, fill: (bytes: Buffer) => void): SecureBuffer {
    const bytes = sodium.sodium_malloc(size);
    try {
      fill(bytes);
    } catch (thrown) {
      sodium.sodium_memzero(bytes);
      throw thrown;
    }
    return new SecureBuffer(bytes, rest);
  }

  /** As `fill`, for what is computed off the event loop. */
  static async fillAsync(size: number, rest: Rest, fill: (bytes: Buffer) => Promise<void>): Promise<SecureBuffer> {
    const bytes = sodium.sodium_malloc(size);
    try {
      await fill(bytes);
    } catch (thrown) {
      sodium.sodium_memzero(bytes);
      throw thrown;
    }
    return new SecureBuffer(bytes, rest);
  }

  static random(size: number, rest: Rest): SecureBuffer {
    return SecureBuffer.fill(size, rest, (bytes) => sodium.randombytes_buf(bytes));
  }

  /** A copy. The original remains the caller's, to wipe. */
  static copyOf(original: Uint8Array, rest: Rest): SecureBuffer {
    return SecureBuffer.fill(original.length, rest, (bytes) => bytes.set(original));
  }

  get length(): number {
    return this.#bytes.length;
  }

  /**
   * Lends the bytes to `fn`, to read. They must not outlive the call: touching a `noaccess` secret afterwards kills the
   * process, and writing to it does so at any time.
   * @throws PosternError `bug` once wiped
   */
  use<T>(fn: (bytes: Buffer) => T): T {
    this.#begin();
    try {
      return fn(this.#bytes);
    } finally {
      this.#end();
    }
  }

  /** As `use`, until the promise of `fn` settles. */
  async useAsync<T>(fn: (bytes: Buffer) => Promise<T>): Promise<T> {
    this.#begin();
    try {
      return await fn(this.#bytes);
    } finally {
      this.#end();
    }
  }

  /** Whether both hold the same bytes, in time that depends on their length only. */
  equals(other: SecureBuffer): boolean {
    return this.length === other.length && this.use((ours) => other.use((theirs) => timingSafeEqual(ours, theirs)));
  }

  /** Zeroes the bytes, after the uses under way. Wiping again does nothing. */
  wipe(): void {
    if (this.#wiped) return;
    this.#wiped = true;
    if (this.#uses === 0) this.#zero();
  }

  toJSON(): string {
    return "[secret]";
  }

  toString(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }

  #begin(): void {
    if (this.#wiped) throw new PosternError("bug", { detail: "a wiped secret was used" });
    if (this.#uses++ === 0 && this.#rest === "noaccess") sodium.sodium_mprotect_readonly(this.#bytes);
  }

  #end(): void {
    if (--this.#uses > 0) return;
    if (this.#wiped) this.#zero();
    else if (this.#rest === "noaccess") sodium.sodium_mprotect_noaccess(this.#bytes);
  }

  #lie(): void {
    if (this.#rest === "noaccess") sodium.sodium_mprotect_noaccess(this.#bytes);
    else sodium.sodium_mprotect_readonly(this.#bytes);
  }

  #zero(): void {
    sodium.sodium_mprotect_readwrite(this.#bytes);
    sodium.sodium_memzero(this.#bytes);
  }
}

/** Wipes the secret when `fn` has settled. */
export async function withSecret<T>(secret: SecureBuffer, fn: (secret: SecureBuffer) => Promise<T>): Promise<T> {
  try {
    return await fn(secret);
  } finally {
    secret.wipe();
  }
}

/** Wipes the secret when `fn` fails; else what `fn` made has taken it over. */
export async function handingOver<T>(secret: SecureBuffer, fn: (secret: SecureBuffer) => Promise<T>): Promise<T> {
  try {
    return await fn(secret);
  } catch (thrown) {
    secret.wipe();
    throw thrown;
  }
}
