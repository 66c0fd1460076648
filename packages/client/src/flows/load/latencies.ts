/** Milliseconds. Each is one that was measured: the least that so many of a hundred did not exceed. */
export interface LatencySummary {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Latencies in milliseconds. Every one is kept, so that the percentiles are exact. */
export class Latencies {
  readonly #values: Float64Array;
  #count = 0;

  /** `capacity`: how many there will be at most. */
  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  add(milliseconds: number): void {
    this.#values[this.#count] = milliseconds;
    this.#count += 1;
  }

  /** By the nearest rank: `sorted[ceil(p * n / 100) - 1]`. Undefined when there is none. */
  summary(): LatencySummary | undefined {
    const sorted = this.#values.slice(0, this.#count).sort();
    const at = (percent: number) => sorted[Math.ceil((percent * sorted.length) / 100) - 1];
    const [p50, p95, p99, max] = [at(50), at(95), at(99), at(100)];
    if (p50 === undefined || p95 === undefined || p99 === undefined || max === undefined) return undefined;
    return { p50, p95, p99, max };
  }
}
