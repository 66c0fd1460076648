/** How many requests are under way at once, in all and to one host. */
export const SLOTS = 16;
export const SLOTS_OF_A_HOST = 2;

/** Of those, how many may wait for hosts that did not answer last time: the others are left for those that do. */
export const SLOTS_OF_SILENT_HOSTS = 8;

/** A host that does not answer keeps its slots for seconds: the places are dealt out so that it keeps nobody else's. */
export class Slots {
  readonly #used = new Map<string, number>();
  readonly #silent = new Set<string>();

  /** How many more may go to a host. */
  free(host: string): number {
    const own = this.#used.get(host) ?? 0;
    const inAll = SLOTS - sum(this.#used.values());
    if (!this.#silent.has(host)) return Math.max(0, Math.min(SLOTS_OF_A_HOST - own, inAll));
    const ofSilent = SLOTS_OF_SILENT_HOSTS - sum([...this.#silent].map((silent) => this.#used.get(silent) ?? 0));
    return Math.max(0, Math.min(1 - own, ofSilent, inAll));
  }

  take(host: string, count: number): void {
    if (count > 0) this.#used.set(host, (this.#used.get(host) ?? 0) + count);
  }

  giveBack(host: string, count: number): void {
    const left = (this.#used.get(host) ?? 0) - count;
    if (left > 0) this.#used.set(host, left);
    else this.#used.delete(host);
  }

  /** `answered`: whether it said anything at all, were it that it fails. */
  note(host: string, answered: boolean): void {
    if (answered) this.#silent.delete(host);
    else this.#silent.add(host);
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
