import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { CapturedLog } from "../../../../test/support/in-process.js";
import { endedBySignal, type ReloadTask, untilStopped } from "../../src/cli/signals.js";

function listening(reload: readonly ReloadTask[] = [], terminal = { open: false }) {
  const source = new EventEmitter();
  const log = new CapturedLog();
  let stopped = false;
  const ended = untilStopped({ reload, log, source, onTerminal: () => terminal.open }).then((how) => {
    stopped = true;
    return how;
  });
  return { source, log, ended, stopped: () => stopped };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("signals", () => {
  it.each(["SIGINT", "SIGTERM"])("%s stops the server", async (signal) => {
    const { source, ended } = listening();
    source.emit(signal);
    expect(await ended).toBe("asked");
  });

  it("SIGHUP runs every reload task and stops nothing; one that fails is logged, and stops no other", async () => {
    const ran: string[] = [];
    const { source, log, stopped } = listening([
      { what: "the first", run: () => void ran.push("first") },
      { what: "the second", run: () => Promise.reject(new Error("no such file")) },
      { what: "the third", run: async () => void ran.push("third") },
    ]);
    source.emit("SIGHUP");
    await settled();
    expect(ran).toEqual(["first", "third"]);
    expect(log.errors).toMatchObject([{ facts: { what: "the second" } }]);
    expect(stopped()).toBe(false);
  });

  it("SIGHUP while a reload runs has it run once more, not twice at once", async () => {
    let [at, most, runs] = [0, 0, 0];
    const run = async () => {
      runs += 1;
      most = Math.max(most, ++at);
      await settled();
      at -= 1;
    };
    const { source } = listening([{ what: "a file", run }]);
    for (let count = 0; count < 5; count++) source.emit("SIGHUP");
    for (let turns = 0; turns < 10; turns++) await settled();
    expect({ most, runs }).toEqual({ most: 1, runs: 2 });
  });

  it("SIGHUP of a terminal that was closed stops a server that was started on it", async () => {
    const terminal = { open: true };
    let reloads = 0;
    const { source, ended, stopped } = listening([{ what: "a file", run: () => void reloads++ }], terminal);
    source.emit("SIGHUP");
    await settled();
    expect([reloads, stopped()]).toEqual([1, false]);
    terminal.open = false;
    source.emit("SIGHUP");
    expect(await ended).toBe("hung-up");
    expect(reloads).toBe(1);
  });
});

describe("a command that a signal ends", () => {
  function system() {
    const events = new EventEmitter();
    const did: string[] = [];
    const kill = (pid: number, signal: string) =>
      did.push(`${signal} to ${pid}, ${events.listenerCount(signal)} hear it`) > 0;
    const source = Object.assign(events, { kill, pid: 7 }) as unknown as Pick<
      NodeJS.Process,
      "on" | "off" | "kill" | "pid"
    >;
    return { events, did, source };
  }

  it.each(["SIGINT", "SIGTERM", "SIGHUP"])("by %s has a last word, and ends as it would have without", (signal) => {
    const { events, did, source } = system();
    void endedBySignal(
      () => did.push("the last word"),
      () => new Promise(() => undefined),
      source,
    );
    events.emit(signal, signal);
    expect(did).toEqual(["the last word", `${signal} to 7, 0 hear it`]);
  });

  it("leaves signals alone when it is done or has failed", async () => {
    const { events, did, source } = system();
    const ended = () => void did.push("the last word");
    expect(await endedBySignal(ended, async () => "done", source)).toBe("done");
    await expect(endedBySignal(ended, () => Promise.reject(new Error("failed")), source)).rejects.toThrow("failed");
    expect([events.eventNames(), did]).toEqual([[], []]);
  });
});
