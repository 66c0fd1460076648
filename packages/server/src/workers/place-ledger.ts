import type { PlaceChange } from "./messages.js";

/** Who of the workers holds how many places of which group. */
export class PlaceLedger {
  readonly #held = new Map<string, Map<number, number>>();

  /** How many groups hold something. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Notes a change, and gives the workers that have to give up one place of the group: who holds the most, once for each
   * place that was taken beyond the limit.
   */
  note(worker: number, { port, group, by, taken, limit }: PlaceChange): number[] {
    const key = `${port} ${group}`;
    const held = this.#held.get(key) ?? new Map<number, number>();
    set(held, worker, (held.get(worker) ?? 0) + by);
    if (held.size === 0) this.#held.delete(key);
    else this.#held.set(key, held);
    const excess = Math.min(taken, sum(held) - limit);
    const left = new Map(held);
    return Array.from({ length: Math.max(0, excess) }, () => takeOneOfMost(left));
  }

  /** A worker has ended, and all that it held is gone. */
  forget(worker: number): void {
    for (const [key, held] of this.#held) {
      held.delete(worker);
      if (held.size === 0) this.#held.delete(key);
    }
  }
}

function set(held: Map<number, number>, worker: number, count: number): void {
  if (count > 0) held.set(worker, count);
  else held.delete(worker);
}

function sum(held: ReadonlyMap<number, number>): number {
  return [...held.values()].reduce((total, count) => total + count, 0);
}

function takeOneOfMost(held: Map<number, number>): number {
  const [worker, count] = [...held].reduce((most, one) => (one[1] > most[1] ? one : most));
  held.set(worker, count - 1);
  return worker;
}
