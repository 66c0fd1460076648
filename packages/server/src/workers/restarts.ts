/** A worker that ends sooner than this was never of use: something is wrong with all of them. */
const QUICK_MS = 10_000;

/** So many in a row, and the server ends. */
export const QUICK_ENDS = 5;

const FIRST_WAIT_MS = 250;

/** When workers that ended by themselves are started again: at once nearly, and then later and later. */
export class Restarts {
  #quick = 0;

  /** Milliseconds to wait before the next one is started, for one that lived so long; undefined: no more. */
  afterEnd(livedMs: number): number | undefined {
    this.#quick = livedMs < QUICK_MS ? this.#quick + 1 : 1;
    return this.#quick >= QUICK_ENDS ? undefined : FIRST_WAIT_MS * 2 ** (this.#quick - 1);
  }
}
