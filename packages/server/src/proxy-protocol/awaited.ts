/** Connections whose header is awaited: of one address, and in all. */
export const AWAITED_OF_ADDRESS = 512;
export const AWAITED = 1024;

/** Ends one of them: another one needs its place, or the server takes no more. */
export type End = (why: "crowded" | "closing") => void;

/**
 * Those that have not shown whose they are yet: no limit of an address can count them. Beyond so many, the one longest
 * there gives way: a balancer has its header ready, so whoever waits longest is least likely to be one.
 */
export class Awaited {
  readonly #all = new Set<End>();
  readonly #ofAddress = new Map<string, Set<End>>();

  get size(): number {
    return this.#all.size;
  }

  /** Gives what takes it off again. `address` is what it is counted by. */
  add(address: string, end: End): () => void {
    const own = this.#ofAddress.get(address) ?? new Set();
    if (own.size >= AWAITED_OF_ADDRESS) endFirst(own);
    if (this.#all.size >= AWAITED) endFirst(this.#all);
    this.#all.add(end);
    this.#ofAddress.set(address, own.add(end));
    return () => {
      this.#all.delete(end);
      own.delete(end);
      if (own.size === 0 && this.#ofAddress.get(address) === own) this.#ofAddress.delete(address);
    };
  }

  close(): void {
    for (const end of [...this.#all]) end("closing");
  }
}

/** A set keeps the order of insertion. */
function endFirst(ends: ReadonlySet<End>): void {
  const [first] = ends;
  first?.("crowded");
}
