import { asPosternError, type ErrorCode } from "@postern/shared/errors";
import { shortageBehind } from "../../connection/socket-error.js";
import { Latencies, type LatencySummary } from "./latencies.js";

export interface LoadPlan {
  readonly requests: number;
  /** How many are under way at once. */
  readonly concurrency: number;
  /** So many more go ahead, and are not counted. */
  readonly warmUp: number;
}

/** What is measured by. */
export interface Stopwatch {
  /** Milliseconds of a clock that is never set. */
  readonly now: () => number;
  /** Seconds that this process has computed for. */
  readonly cpu: () => number;
}

export const stopwatch: Stopwatch = {
  now: () => performance.now(),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  },
};

/** Measures one part of a request; what is done between its parts is not in its latency. */
export type Timed = <T>(part: string, work: () => Promise<T>) => Promise<T>;

/** One request, the `number`th, from 0 on. It fails by throwing. */
export type LoadRequest = (number: number, timed: Timed) => Promise<void>;

export interface LoadState {
  readonly done: number;
  readonly failed: number;
  /** Seconds since the first one that counts. */
  readonly seconds: number;
}

export interface LoadReport extends LoadState {
  readonly cpuSeconds: number;
  /** Of the requests that succeeded: of the sum of their parts, and of each part in the order in which they came. */
  readonly latency: LatencySummary | undefined;
  readonly parts: ReadonlyMap<string, LatencySummary>;
  readonly errors: ReadonlyMap<ErrorCode, number>;
}

export interface LoadOptions extends Stopwatch {
  /** Ends it: what is under way then is not counted. */
  readonly signal: AbortSignal;
  /** Told after each request that counts. */
  readonly onDone?: (state: LoadState) => void;
}

/** Runs all requests of a plan, so many at once, each as soon as there is room for it; a failure is counted, and no end. */
export async function runLoad(plan: LoadPlan, request: LoadRequest, options: LoadOptions): Promise<LoadReport> {
  const { concurrency, requests, warmUp } = plan;
  const { signal, now, cpu, onDone = () => undefined } = options;
  const untimed: Timed = (_part, work) => work();
  await each({ count: warmUp, atOnce: concurrency, signal }, (number) =>
    request(number, untimed).catch(() => undefined),
  );
  const tally = new Tally(requests, now);
  const cpuBefore = cpu();
  await each({ count: requests, atOnce: concurrency, signal }, async (number) => {
    const spent = new Map<string, number>();
    const timed: Timed = async (part, work) => {
      const began = now();
      const result = await work();
      spent.set(part, (spent.get(part) ?? 0) + now() - began);
      return result;
    };
    const failure = await request(warmUp + number, timed).then(
      () => undefined,
      (thrown: unknown) => asPosternError(shortageBehind(thrown)),
    );
    if (signal.aborted) return;
    if (failure === undefined) tally.succeeded(spent);
    else tally.failed(failure.code);
    onDone(tally.state());
  });
  return tally.report(cpu() - cpuBefore);
}

/** Done when all are, or at once when the signal fires. */
async function each(
  { count, atOnce, signal }: { count: number; atOnce: number; signal: AbortSignal },
  act: (number: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count && !signal.aborted) {
      next += 1;
      await act(next - 1);
    }
  };
  const workers = Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([workers, stopped]);
}

class Tally {
  readonly #capacity: number;
  readonly #now: () => number;
  readonly #began: number;
  readonly #whole: Latencies;
  readonly #parts = new Map<string, Latencies>();
  readonly #errors = new Map<ErrorCode, number>();
  #done = 0;
  #failed = 0;

  constructor(capacity: number, now: () => number) {
    this.#capacity = capacity;
    this.#now = now;
    this.#began = now();
    this.#whole = new Latencies(capacity);
  }

  succeeded(spent: ReadonlyMap<string, number>): void {
    this.#done += 1;
    let whole = 0;
    for (const [part, milliseconds] of spent) {
      whole += milliseconds;
      const latencies = this.#parts.get(part) ?? new Latencies(this.#capacity);
      latencies.add(milliseconds);
      this.#parts.set(part, latencies);
    }
    this.#whole.add(whole);
  }

  failed(code: ErrorCode): void {
    this.#done += 1;
    this.#failed += 1;
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }

  state(): LoadState {
    return { done: this.#done, failed: this.#failed, seconds: (this.#now() - this.#began) / 1000 };
  }

  report(cpuSeconds: number): LoadReport {
    const parts = new Map<string, LatencySummary>();
    for (const [part, latencies] of this.#parts) {
      const summary = latencies.summary();
      if (summary !== undefined) parts.set(part, summary);
    }
    const errors = new Map([...this.#errors].sort(([, a], [, b]) => b - a));
    return { ...this.state(), cpuSeconds, latency: this.#whole.summary(), parts, errors };
  }
}
