import type { Readable } from "node:stream";
import { PosternError } from "../errors.js";
import { endedBy } from "./ended-by.js";
import { decodeSecret } from "./secret-bytes.js";

/** No line of standard input is longer than this, its line end not counted. */
export const MAX_LINE_BYTES = 64 * 1024;

const LF = 0x0a;
const CR = 0x0d;

/** A stream that may hold the process alive while it is open, or not: sockets and pipes can be told, files end. */
export interface Input extends Readable {
  ref?(): unknown;
  unref?(): unknown;
}

/**
 * Standard input that is not a terminal, one line at a time: with `--password-file -` line one is the password, line
 * two the code. Between two lines the stream is paused, so an open pipe does not fill memory; nor does it keep the
 * process alive. What follows a line waits here for the next `next()`; calls are made one after another.
 */
export class StdinLines {
  readonly #input: Input;
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(input: Input) {
    this.#input = input;
  }

  /**
   * The next line without its LF or CRLF; the last one need not have any.
   * @throws `input_needed` at the end of the input, `secret_file_invalid` when the line is too long or not UTF-8,
   * `file_unreadable` when reading fails; the reason of `signal`, or `cancelled`, once that fires.
   */
  async next(signal?: AbortSignal): Promise<string> {
    const line = await this.nextOrNone(signal);
    if (line === undefined) throw new PosternError("input_needed", { detail: "standard input is at its end" });
    return line;
  }

  /** The same, but undefined at the end of the input. */
  async nextOrNone(signal?: AbortSignal): Promise<string | undefined> {
    while (!this.#rest.includes(LF) && !this.#ended) {
      if (this.#rest.length > MAX_LINE_BYTES)
        throw new PosternError("secret_file_invalid", { detail: "standard input" });
      const chunk = await this.#read(signal);
      if (chunk === undefined) this.#ended = true;
      else this.#append(chunk);
    }
    return this.#takeLine();
  }

  #append(chunk: Buffer): void {
    const longer = Buffer.concat([this.#rest, chunk]);
    this.#rest.fill(0);
    this.#rest = longer;
  }

  #takeLine(): string | undefined {
    if (this.#rest.length === 0) return undefined;
    const end = this.#rest.indexOf(LF);
    const line = end === -1 ? this.#rest : this.#rest.subarray(0, end);
    this.#rest = end === -1 ? Buffer.alloc(0) : this.#rest.subarray(end + 1);
    const bare = line.at(-1) === CR ? line.subarray(0, -1) : line;
    try {
      return decodeSecret(bare, { max: MAX_LINE_BYTES, from: "standard input" });
    } finally {
      line.fill(0);
    }
  }

  /** One chunk, or undefined at the end. */
  #read(signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    const input = this.#input;
    if (input.readableEnded || input.destroyed) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        // A paused socket goes on reading ahead, and so would hold the process: only unref() lets it end.
        input.pause();
        input.unref?.();
        input.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onError);
        signal?.removeEventListener("abort", onAbort);
        finish();
      };
      const onData = (chunk: Buffer | string) => settle(() => resolve(Buffer.from(chunk)));
      const onEnd = () => settle(() => resolve(undefined));
      const onError = (cause: unknown) =>
        settle(() => reject(new PosternError("file_unreadable", { detail: "standard input", cause })));
      const onAbort = () => settle(() => reject(endedBy(signal)));
      if (signal?.aborted) return reject(endedBy(signal));
      signal?.addEventListener("abort", onAbort);
      input.on("data", onData).on("end", onEnd).on("close", onEnd).on("error", onError);
      input.ref?.();
      input.resume();
    });
  }
}
