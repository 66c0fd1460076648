import { describe, expect, it, onTestFinished, vi } from "vitest";
import { silentLog } from "../../src/log.js";
import { Crew } from "../../src/workers/crew.js";
import type { FiguresOptions } from "../../src/workers/crew-figures.js";
import { QUICK_ENDS } from "../../src/workers/restarts.js";
import { FakeWorker, served } from "./support.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A crew whose workers a test speaks for, and whose time it moves. */
class Stage {
  readonly forked: FakeWorker[] = [];
  readonly #later: { at: number; act: () => void }[] = [];
  now = 1_000_000;
  /** The system has nothing left to start a process with. */
  isFull = false;
  readonly crew: Crew;

  constructor(workers = 2, figures?: FiguresOptions) {
    this.crew = new Crew({
      workers,
      server: { instance: "0".repeat(32), pid: 1, startedAt: 0 },
      options: { listen: "127.0.0.1:7465" },
      fork: (begin) => {
        if (this.isFull) throw Object.assign(new Error("spawn ENOMEM"), { code: "ENOMEM" });
        const worker = new FakeWorker(begin);
        this.forked.push(worker);
        return worker;
      },
      log: silentLog,
      figures,
      now: () => this.now,
      later: (ms, act) => void this.#later.push({ at: this.now + ms, act }),
    });
  }

  /** The last one that was started. */
  get last(): FakeWorker {
    const last = this.forked.at(-1);
    if (last === undefined) throw new Error("none was started");
    return last;
  }

  pass(ms: number): void {
    this.now += ms;
    for (const { act } of this.#later.splice(0).filter(({ at }) => at <= this.now)) act();
  }

  /** Two that are ready. */
  async start(): Promise<[FakeWorker, FakeWorker]> {
    const started = this.crew.start();
    this.last.ready();
    await turn();
    this.last.ready();
    await started;
    const [first, second] = this.forked;
    if (first === undefined || second === undefined) throw new Error("two should be there");
    return [first, second];
  }
}

describe("a crew that starts", () => {
  it("has its first worker make what a store needs, and is ready when every one accepts connections", async () => {
    const stage = new Stage(3);
    let isReady = false;
    const started = stage.crew.start().finally(() => {
      isReady = true;
    });
    expect(stage.forked.map(({ begin }) => begin.worker)).toEqual([1]);
    stage.last.ready();
    await turn();
    expect(stage.forked.map(({ begin }) => [begin.worker, begin.replaces])).toEqual([
      [1, false],
      [2, false],
      [3, false],
    ]);
    stage.forked[2]?.ready();
    await turn();
    expect(isReady).toBe(false);
    stage.forked[1]?.ready();
    expect(await started).toEqual(served);
  });

  it("fails for what a worker cannot start for", async () => {
    const stage = new Stage();
    const started = stage.crew.start();
    stage.last.say({ say: "failed", code: "address_in_use", detail: "127.0.0.1 port 7465" });
    stage.last.exit(1);
    await expect(started).rejects.toMatchObject({ code: "address_in_use", detail: "127.0.0.1 port 7465" });
  });

  it("fails when a worker ends without a word", async () => {
    const stage = new Stage();
    const started = stage.crew.start();
    stage.last.exit(null, "SIGSEGV");
    await expect(started).rejects.toMatchObject({ code: "workers_failed", detail: "worker 1 ended: SIGSEGV" });
  });
});

describe("a worker of a crew that ends by itself", () => {
  it("is replaced under its number, after a moment", async () => {
    const stage = new Stage();
    const [, second] = await stage.start();
    second.exit(null, "SIGSEGV");
    stage.pass(249);
    expect(stage.forked).toHaveLength(2);
    stage.pass(0);
    second.exit(null, "SIGSEGV");
    stage.pass(500);
    expect(stage.last.begin).toMatchObject({ worker: 2, replaces: true });
  });

  it("is replaced also when it ends before all of the others serve", async () => {
    const stage = new Stage();
    const started = stage.crew.start();
    const first = stage.last;
    first.ready();
    await turn();
    first.exit(null, "SIGKILL");
    stage.last.ready();
    await started;
    stage.pass(250);
    expect(stage.last.begin).toMatchObject({ worker: 1, replaces: true });
  });

  it("is replaced later when the system has no memory for another process, and the others serve on", async () => {
    const stage = new Stage();
    const [, second] = await stage.start();
    second.exit(null, "SIGKILL");
    stage.isFull = true;
    stage.pass(250);
    stage.isFull = false;
    stage.pass(500);
    expect(stage.last.begin).toMatchObject({ worker: 2, replaces: true });
  });

  it("is told, in the one that takes its place, what the others were told meanwhile", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    stage.crew.setLogLevel("debug");
    second.exit(null, "SIGKILL");
    stage.pass(250);
    stage.crew.reload();
    expect(first.told).toEqual(["log-level", "reload"]);
    stage.last.heard.length = 0;
    stage.last.ready();
    expect(stage.last.heard).toEqual([{ do: "log-level", level: "debug" }, { do: "reload" }]);
  });

  it("ends the server when that goes on: five quick ends in a row", async () => {
    const stage = new Stage();
    await stage.start();
    for (let end = 0; end < QUICK_ENDS; end++) {
      stage.last.exit(70);
      stage.pass(5_000);
    }
    expect(stage.forked).toHaveLength(1 + QUICK_ENDS);
    await expect(stage.crew.failed).rejects.toMatchObject({ code: "workers_failed", exit: 3 });
  });

  it("ends the server when its place is at another address", async () => {
    const stage = new Stage();
    const [first] = await stage.start();
    first.exit(null, "SIGKILL");
    stage.pass(250);
    stage.last.say({ say: "ready", ...served, listen: "127.0.0.1:1" });
    await expect(stage.crew.failed).rejects.toMatchObject({ code: "workers_failed" });
  });
});

describe("what a crew counts for all", () => {
  it("is thirty starts a minute of one address, whichever worker is asked", async () => {
    const stage = new Stage();
    const workers = await stage.start();
    for (let id = 0; id < 32; id++) workers[id % 2]?.say({ say: "start", id, key: "192.0.2.1" });
    const waits = workers.flatMap(({ heard }) => heard).flatMap((message) => (message.do === "wait" ? message : []));
    expect(waits.filter(({ seconds }) => seconds === 0)).toHaveLength(30);
    expect(waits.filter(({ seconds }) => seconds > 0).map(({ id }) => id)).toEqual([30, 31]);
  });

  it("is eight places of one address: the worker with the most of them gives one up", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    const places = (by: number) => [
      { port: "wire" as const, group: "a 192.0.2.1", by, taken: by, answered: 0, limit: 8 },
    ];
    first.say({ say: "places", changes: places(6) });
    second.say({ say: "places", changes: places(3) });
    expect(first.heard).toContainEqual({ do: "give-up", port: "wire", group: "a 192.0.2.1" });
    expect(second.told).not.toContain("give-up");
  });

  it("is nothing of a worker that has ended, though it is heard of only then", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    const places = (taken: number) => [
      { port: "wire" as const, group: "a 192.0.2.1", by: taken, taken, answered: 0, limit: 8 },
    ];
    second.exit(null, "SIGKILL");
    second.say({ say: "places", changes: places(4) });
    first.say({ say: "places", changes: places(5) });
    expect(first.told).not.toContain("give-up");
  });

  it("is told to who delivers callbacks, when another one has stored one", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    second.say({ say: "enqueued" });
    expect(first.told).toEqual(["wake"]);
  });
});

describe("the metrics of a crew", () => {
  it("do not wait for a worker that does not serve yet", async () => {
    const nothing = { render: async () => "all", figures: async () => [] };
    const patienceMs = 3_600_000;
    const stage = new Stage(2, { merge: () => nothing, countsOf: () => [], own: async () => [], patienceMs });
    const [first, second] = await stage.start();
    second.exit(null, "SIGKILL");
    stage.pass(250);
    first.say({ say: "metrics", id: 7 });
    await turn();
    first.say({ say: "figures", id: 1, figures: [] });
    await turn();
    expect(first.heard.at(-1)).toEqual({ do: "show", id: 7, text: "all" });
  });
});

describe("a crew that is stopped", () => {
  it("adds up what is under way and what is left, and ends its first worker last", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    const begun = stage.crew.beginDrain();
    first.say({ say: "draining", underWay: 2 });
    second.say({ say: "draining", underWay: 1 });
    expect(await begun).toBe(3);
    let cut: () => void = () => undefined;
    const limit = new Promise<void>((resolve) => {
      cut = resolve;
    });
    const drained = stage.crew.drained(limit);
    first.say({ say: "drained", left: 0 });
    expect(second.told).toEqual(["drain"]);
    cut();
    await turn();
    expect(second.told).toEqual(["drain", "cut"]);
    second.say({ say: "drained", left: 1 });
    expect(await drained).toBe(1);
    const closed = stage.crew.close();
    expect([first.told.at(-1), second.told.at(-1)]).toEqual(["cut", "close"]);
    second.exit(0);
    await turn();
    expect(first.told.at(-1)).toBe("close");
    first.exit(0);
    await closed;
    stage.pass(60_000);
    expect(stage.forked).toHaveLength(2);
  });

  it("waits for nothing of a worker that ends meanwhile, and starts none in its place", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    const begun = stage.crew.beginDrain();
    first.say({ say: "draining", underWay: 0 });
    second.exit(null, "SIGKILL");
    expect(await begun).toBe(0);
    stage.pass(60_000);
    expect(stage.forked).toHaveLength(2);
  });

  it("kills a worker that hangs, half a minute after the others were cut off", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    const begun = stage.crew.beginDrain();
    for (const worker of [first, second]) worker.say({ say: "draining", underWay: 1 });
    await begun;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const drained = stage.crew.drained(Promise.resolve());
    await turn();
    first.say({ say: "drained", left: 1 });
    await vi.advanceTimersByTimeAsync(30_000);
    expect([first.isKilled, second.isKilled]).toEqual([false, true]);
    expect(await drained).toBe(1);
  });

  it("kills a worker that is stuck, and does not say what it has under way", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const begun = stage.crew.beginDrain();
    first.say({ say: "draining", underWay: 1 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect([first.isKilled, second.isKilled]).toEqual([false, true]);
    expect(await begun).toBe(1);
  });

  it("kills a worker that is not ready yet", async () => {
    const stage = new Stage();
    const [first, second] = await stage.start();
    second.exit(null, "SIGKILL");
    stage.pass(250);
    const begun = stage.crew.beginDrain();
    first.say({ say: "draining", underWay: 0 });
    await begun;
    expect(stage.last.isKilled).toBe(true);
  });
});
