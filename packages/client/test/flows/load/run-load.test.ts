import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { Latencies } from "../../../src/flows/load/latencies.js";
import { type LoadPlan, type LoadRequest, type LoadState, runLoad } from "../../../src/flows/load/run-load.js";

/** Milliseconds and seconds that go on only when a request says so. */
class Watch {
  ms = 0;
  cpuSeconds = 0;
  readonly now = () => this.ms;
  readonly cpu = () => this.cpuSeconds;

  /** Work that takes so many milliseconds. */
  readonly take = (ms: number) => async () => {
    this.ms += ms;
  };
}

const plan = { requests: 20, concurrency: 5, warmUp: 0 };

interface Surroundings extends Partial<LoadPlan> {
  readonly watch?: Watch;
  readonly ending?: AbortController;
}

async function run(request: LoadRequest, surroundings: Surroundings = {}) {
  const { watch = new Watch(), ending = new AbortController(), ...more } = surroundings;
  const states: LoadState[] = [];
  const onDone = (state: LoadState) => void states.push(state);
  const report = await runLoad({ ...plan, ...more }, request, { ...watch, signal: ending.signal, onDone });
  return { report, states };
}

describe("percentiles", () => {
  const of = (values: readonly number[]) => {
    const latencies = new Latencies(values.length + 3);
    for (const value of values) latencies.add(value);
    return latencies.summary();
  };

  it("are exact: the least of all latencies that so many of a hundred do not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1);
    expect(of(hundred)).toEqual({ p50: 50, p95: 95, p99: 99, max: 100 });
    expect(of([30, 10, 20])).toEqual({ p50: 20, p95: 30, p99: 30, max: 30 });
    expect(of(Array.from({ length: 1000 }, (_, index) => index / 2))).toEqual({
      p50: 249.5,
      p95: 474.5,
      p99: 494.5,
      max: 499.5,
    });
  });

  it("go by number, not by text, and of none there are none", () => {
    expect(of([9, 10, 100])).toEqual({ p50: 10, p95: 100, p99: 100, max: 100 });
    expect(of([7])).toEqual({ p50: 7, p95: 7, p99: 7, max: 7 });
    expect(of([])).toBeUndefined();
  });
});

describe("a load", () => {
  it("is as many requests as were asked for, so many at once and never more, each with a number of its own", async () => {
    const numbers: number[] = [];
    let [atOnce, most] = [0, 0];
    const { report, states } = await run(async (number) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      numbers.push(number);
      await new Promise(setImmediate);
      atOnce -= 1;
    });
    expect(report).toMatchObject({ done: 20, failed: 0 });
    expect(most).toBe(5);
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(states.map(({ done }) => done)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  it("has for a latency the sum of a request's parts, and not what lies between them", async () => {
    const watch = new Watch();
    const { report } = await run(
      async (number, timed) => {
        await timed("first", watch.take(10));
        watch.ms += 1000;
        watch.cpuSeconds += 0.25;
        await timed("second", watch.take(number));
      },
      { watch, concurrency: 1 },
    );
    expect(report.latency).toEqual({ p50: 19, p95: 28, p99: 29, max: 29 });
    expect([...report.parts]).toEqual([
      ["first", { p50: 10, p95: 10, p99: 10, max: 10 }],
      ["second", { p50: 9, p95: 18, p99: 19, max: 19 }],
    ]);
    expect(report.seconds).toBe(20 + 0.2 + 0.19);
    expect(report.cpuSeconds).toBe(5);
  });

  it("counts failures by their code, the most frequent first, goes on behind them, and measures successes alone", async () => {
    const watch = new Watch();
    const { report } = await run(
      async (number, timed) => {
        await timed("all", async () => {
          watch.ms += number % 4 === 0 ? 500 : 1;
          if (number % 4 === 0) throw new PosternError(number === 0 ? "busy" : "connection_lost");
        });
      },
      { watch, concurrency: 1 },
    );
    expect(report).toMatchObject({ done: 20, failed: 5, latency: { p50: 1, max: 1 } });
    expect([...report.errors]).toEqual([
      ["connection_lost", 4],
      ["busy", 1],
    ]);
  });

  it.each(["EMFILE", "ENFILE", "EADDRNOTAVAIL"])(
    "says that sockets are short where %s is behind a failure, whatever that looks like",
    async (code) => {
      const { report } = await run(async () => {
        throw new PosternError("pins_unreadable", { cause: Object.assign(new Error("open"), { code }) });
      });
      expect([...report.errors]).toEqual([["sockets_short", 20]]);
    },
  );

  it("warms up by requests that count for nothing, failed ones too", async () => {
    const watch = new Watch();
    const numbers: number[] = [];
    const { report, states } = await run(
      async (number, timed) => {
        numbers.push(number);
        await timed("all", watch.take(number < 7 ? 100 : 1));
        if (number === 3) throw new PosternError("busy");
      },
      { watch, warmUp: 7, concurrency: 1 },
    );
    expect(numbers).toHaveLength(27);
    expect(states).toHaveLength(20);
    expect(report).toMatchObject({ done: 20, failed: 0, seconds: 0.02, latency: { max: 1 } });
  });

  it("ends at its signal, with what was done until then; what was under way is not counted, and no more begun", async () => {
    const ending = new AbortController();
    let begun = 0;
    const { report, states } = await run(
      async (number) => {
        begun += 1;
        if (number === 8) ending.abort();
        if (number >= 8) await new Promise<never>(() => undefined);
        if (number === 2) throw new PosternError("busy");
      },
      { ending, concurrency: 4 },
    );
    expect(report).toMatchObject({ done: states.length, failed: 1 });
    expect(states.length).toBeLessThanOrEqual(8);
    expect(begun).toBeLessThan(13);
  });

  it("begins with nothing when it was ended before", async () => {
    const ending = new AbortController();
    ending.abort();
    const { report } = await run(() => Promise.reject(new PosternError("bug")), { ending, warmUp: 3 });
    expect(report).toMatchObject({ done: 0, failed: 0, latency: undefined });
  });
});
