/** The first few of many things by some order; no more than twice as many are kept meanwhile. */
export class FirstFew<T> {
  readonly #count: number;
  readonly #compare: (a: T, b: T) => number;
  #kept: T[] = [];

  constructor(count: number, compare: (a: T, b: T) => number) {
    this.#count = count;
    this.#compare = compare;
  }

  add(one: T): void {
    this.#kept.push(one);
    if (this.#kept.length > 2 * this.#count) this.#cut();
  }

  /** In their order; `more`: whether others come behind them. */
  take(): { few: T[]; more: boolean } {
    this.#cut();
    return { few: this.#kept.slice(0, this.#count), more: this.#kept.length > this.#count };
  }

  /** One beyond the count stays, to know of. */
  #cut(): void {
    this.#kept.sort(this.#compare);
    this.#kept.length = Math.min(this.#kept.length, this.#count + 1);
  }
}
