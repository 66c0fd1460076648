import { EventEmitter } from "node:events";
import { PassThrough, Writable } from "node:stream";

/** A keyboard: raw mode is only noted. */
export class FakeKeyboard extends PassThrough {
  readonly isTTY: boolean;
  isRaw = false;

  constructor({ isTTY = true } = {}) {
    super();
    this.isTTY = isTTY;
  }

  setRawMode(raw: boolean): this {
    this.isRaw = raw;
    return this;
  }
}

/** A screen (or pipe) that remembers what was written to it, and can be waited for. */
export class FakeScreen extends Writable {
  readonly isTTY: boolean;
  readonly columns = 80;
  text = "";
  readonly #changes = new EventEmitter();
  #seen = 0;

  constructor({ isTTY = true } = {}) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    this.#changes.emit("change");
    done();
  }

  /** Does nothing, as with process.stderr, which a pipe that ends does not end either. */
  override end(): this {
    return this;
  }

  /** Resolves once the words appear in what was written since the last call resolved. */
  async shows(words: string): Promise<void> {
    for (;;) {
      const at = this.text.indexOf(words, this.#seen);
      if (at !== -1) {
        this.#seen = at + words.length;
        return;
      }
      await new Promise((resolve) => this.#changes.once("change", resolve));
    }
  }
}
