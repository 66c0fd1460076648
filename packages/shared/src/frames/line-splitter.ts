import { PosternError } from "../errors.js";

const LF = 0x0a;
const LEAST_CAPACITY = 256;
const NOTHING = Buffer.alloc(0);

/**
 * Cuts a byte stream into lines. It holds at most `limit` bytes, whatever a peer sends, and touches each byte a
 * constant number of times, however small the pieces.
 *
 * `push` hands out every line that the piece completes, without its `\n`, empty ones too. In strict alternation a
 * peer has at most one request under way: more than one line from a push, or `pending` above 0 while one is being
 * answered, shows the caller that the peer did not wait.
 *
 * A line over the limit throws `line_too_long` at its first byte too many, and so does every later push: where the
 * next line would begin is unknown.
 */
export class LineSplitter {
  #limit: number;
  #held = NOTHING;
  #pending = 0;
  #broken = false;

  /** `limit` is in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many bytes of a line without an end are held. */
  get pending(): number {
    return this.#pending;
  }

  /** Sets another limit, from the unfinished line on. */
  setLimit(limit: number): void {
    this.#limit = limit;
  }

  /** The lines that `chunk` completes, oldest first. They may share its memory. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      lines.push(this.#complete(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start === 0 || start < chunk.length) this.#hold(chunk.subarray(start));
    return lines;
  }

  #complete(end: Buffer): Buffer {
    if (this.#pending === 0) {
      this.#checkLength(end.length);
      return end;
    }
    this.#hold(end);
    const line = this.#held.subarray(0, this.#pending);
    this.#forget();
    return line;
  }

  /** Copies: a kept slice of one byte would keep the whole network buffer behind it alive. */
  #hold(piece: Buffer): void {
    const length = this.#pending + piece.length;
    this.#checkLength(length);
    if (length > this.#held.length) {
      const capacity = Math.max(length, Math.min(2 * this.#held.length, this.#limit), LEAST_CAPACITY);
      const larger = Buffer.allocUnsafe(capacity);
      this.#held.copy(larger, 0, 0, this.#pending);
      this.#held = larger;
    }
    piece.copy(this.#held, this.#pending);
    this.#pending = length;
  }

  #checkLength(length: number): void {
    if (this.#broken || length > this.#limit) {
      this.#broken = true;
      this.#forget();
      throw new PosternError("line_too_long");
    }
  }

  #forget(): void {
    this.#held = NOTHING;
    this.#pending = 0;
  }
}
