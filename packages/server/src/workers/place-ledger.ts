import type { PlaceChange } from "./messages.js";

/** What a worker has of a group. */
interface Held {
  readonly places: number;
  /** How many of them it was told to give up, and has not answered yet. */
  readonly asked: number;
}

/** Who of the workers holds how many places of which group. */
export class PlaceLedger {
  readonly #held = new Map<string, Map<number, Held>>();

  /** How many groups hold something. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Notes a change, and where places were taken, gives the workers that have to give one up: who keeps the most, once for
   * each that is beyond the limit and nobody was told of yet.
   */
  note(worker: number, { port, group, by, taken, answered, limit }: PlaceChange): number[] {
    const key = `${port} ${group}`;
    const held = this.#held.get(key) ?? new Map<number, Held>();
    const { places, asked } = held.get(worker) ?? { places: 0, asked: 0 };
    set(held, worker, { places: places + by, asked: asked - answered });
    if (held.size === 0) this.#held.delete(key);
    else this.#held.set(key, held);
    const excess = taken === 0 ? 0 : keptOfAll(held) - limit;
    return Array.from({ length: Math.max(0, excess) }, () => askOneOfMost(held));
  }

  /** A worker has ended, and all that it held is gone. */
  forget(worker: number): void {
    for (const [key, held] of this.#held) {
      held.delete(worker);
      if (held.size === 0) this.#held.delete(key);
    }
  }
}

function set(held: Map<number, Held>, worker: number, { places, asked }: Held): void {
  if (places > 0 || asked > 0) held.set(worker, { places: Math.max(0, places), asked: Math.max(0, asked) });
  else held.delete(worker);
}

/** What stays of it when it has given up what it was told to. */
const kept = ({ places, asked }: Held) => Math.max(0, places - asked);

function keptOfAll(held: ReadonlyMap<number, Held>): number {
  return [...held.values()].reduce((total, one) => total + kept(one), 0);
}

function askOneOfMost(held: Map<number, Held>): number {
  const [worker, { places, asked }] = [...held].reduce((most, one) => (kept(one[1]) > kept(most[1]) ? one : most));
  held.set(worker, { places, asked: asked + 1 });
  return worker;
}
