import { PosternError } from "@postern/shared/errors";
import { createOutput } from "@postern/shared/terminal/output";
import type { TerminalText } from "@postern/shared/terminal/terminal-text";
import { describe, expect, it } from "vitest";
import { FakeScreen } from "../../../../shared/test/terminal/fake-terminal.js";
import { liveLine } from "../../../src/cli/loadtest/live-line.js";
import { judge } from "../../../src/cli/loadtest/run.js";
import { advice, type Outcome, outcomeFacts, outcomeLines } from "../../../src/cli/loadtest/summary.js";
import type { LoadReport } from "../../../src/flows/load/run-load.js";

const latency = { p50: 81.25, p95: 120, p99: 1234.5678, max: 5000 };

const report: LoadReport = {
  done: 1000,
  failed: 25,
  seconds: 12.5,
  cpuSeconds: 5.0004,
  latency,
  parts: new Map([["connect", { p50: 0.12345, p95: 1, p99: 2, max: 3 }]]),
  errors: new Map([
    ["connection_lost", 20],
    ["rate_limited", 5],
  ]),
};

const outcome: Outcome = {
  what: "login",
  target: "localhost:7465",
  plan: { requests: 1000, concurrency: 40, warmUp: 10 },
  report,
  cancelled: false,
};

const places = { ofAddress: 8, ofAll: 512 };
const text = (lines: readonly TerminalText[]) => lines.map((line) => line.render(false));
const advised = (more: Partial<LoadReport>, concurrency = 40) =>
  text(advice({ ...outcome, plan: { ...outcome.plan, concurrency }, report: { ...report, ...more } }, places));

describe("the summary", () => {
  it("tells counts, seconds, the rate of what succeeded, and latencies", () => {
    expect(text(outcomeLines(outcome))).toEqual([
      "localhost:7465",
      "requests    1000, 40 at once",
      "failed      25",
      "seconds     12.50",
      "throughput  78.0 a second",
      "client CPU  5.00 seconds, 40 % of one core",
      "",
      "milliseconds       p50       p95       p99       max",
      "login             81.3     120.0    1234.6    5000.0",
      "  connect          0.1       1.0       2.0       3.0",
      "",
      "failed with      times  which is",
      "connection_lost  20     the server closed the connection",
      "rate_limited     5      too many tries in a short time",
    ]);
  });

  it("tells the same to a program, as one object", () => {
    expect(outcomeFacts(outcome)).toEqual({
      load: "login",
      target: "localhost:7465",
      requests: 1000,
      concurrency: 40,
      warm_up: 10,
      done: 1000,
      succeeded: 975,
      failed: 25,
      cancelled: false,
      seconds: 12.5,
      throughput: 78,
      latency_ms: { p50: 81.25, p95: 120, p99: 1234.568, max: 5000 },
      parts_ms: { connect: { p50: 0.123, p95: 1, p99: 2, max: 3 } },
      errors: { connection_lost: 20, rate_limited: 5 },
      limited: true,
      client_cpu_seconds: 5,
    });
  });

  it("of a load that was ended says how far it came, and of none that there are no latencies", () => {
    const none: LoadReport = {
      done: 0,
      failed: 0,
      seconds: 0,
      cpuSeconds: 0,
      latency: undefined,
      parts: new Map(),
      errors: new Map(),
    };
    expect(text(outcomeLines({ ...outcome, cancelled: true, report: none }))).toEqual([
      "localhost:7465",
      "requests    0 of 1000, 40 at once",
      "failed      0",
      "seconds     0.00",
      "throughput  0.0 a second",
      "client CPU  0.00 seconds, 0 % of one core",
    ]);
    expect(outcomeFacts({ ...outcome, report: none })).toMatchObject({ throughput: 0, errors: {}, limited: false });
  });

  it("shows what came from outside as text", () => {
    expect(text(outcomeLines({ ...outcome, target: "\u001b[2Jevil" }))[0]).toBe("\\x1b[2Jevil");
  });
});

describe("advice", () => {
  it.each(["rate_limited", "throttled", "busy"] as const)(
    "says of %s that the server limits, and what lifts it",
    (code) => {
      expect(advised({ errors: new Map([[code, 3]]) })).toEqual([
        "the server limited this address; start it with\n  --address-limits 127.0.0.0/8,::1/128",
      ]);
    },
  );

  it("says of lost connections how many a server holds, where there were more", () => {
    const errors = new Map([["connection_lost", 3] as const]);
    expect(advised({ errors })).toEqual([
      "a server holds 8 connections of an address, unless it is started with\n  --address-limits 127.0.0.0/8,::1/128",
    ]);
    expect(advised({ errors }, 600)).toEqual(["a server holds 512 such connections: give a lower --concurrency"]);
    expect(advised({ errors }, 8)).toEqual([]);
  });

  it("says so when it was this machine's files that were short, or this program's core", () => {
    expect(advised({ errors: new Map([["sockets_short", 1]]) })).toEqual([
      "raise the limit (`ulimit -n`), or give a lower --concurrency",
    ]);
    expect(advised({ errors: new Map(), cpuSeconds: 11.3 })).toEqual([
      "this program had no core to spare: the server may be able to do more",
    ]);
    expect(advised({ errors: new Map() })).toEqual([]);
  });
});

describe("the exit", () => {
  const codeOf = (of: Outcome) => {
    try {
      judge(of);
      return "done";
    } catch (thrown) {
      return thrown instanceof PosternError ? [thrown.code, thrown.exit] : thrown;
    }
  };

  it("is 1 when a request failed, 130 when it was ended, else 0", () => {
    expect(codeOf(outcome)).toEqual(["requests_failed", 1]);
    expect(codeOf({ ...outcome, cancelled: true })).toEqual(["cancelled", 130]);
    expect(codeOf({ ...outcome, report: { ...report, failed: 0 } })).toBe("done");
  });
});

describe("the live line", () => {
  function shown({
    isTTY = true,
    json = false,
    env = {},
  }: {
    isTTY?: boolean;
    json?: boolean;
    env?: NodeJS.ProcessEnv;
  }) {
    const stderr = new FakeScreen({ isTTY });
    const line = liveLine(
      createOutput({ json, stdout: new FakeScreen(), stderr, env }),
      { what: "logins", total: 20 },
      { stderr, env },
    );
    for (let done = 1; done <= 20; done += 1) line.to({ done, failed: done > 10 ? 1 : 0, seconds: done * 0.04 });
    line.end();
    return stderr.text;
  }

  it("on a terminal is one line, drawn over ten times a second at most, and gone in the end", () => {
    const frames = shown({}).split("\r");
    expect(frames.map((frame) => frame.trimEnd())).toEqual([
      "",
      ...[1, 4, 7, 10].map((done) => `logins  ${done} of 20  25.0 a second  0 failed`),
      ...[13, 16, 19, 20].map((done) => `logins  ${done} of 20  25.0 a second  1 failed`),
      "",
      "",
    ]);
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(79);
  });

  it.each([{ isTTY: false }, { env: { TERM: "dumb" } }])("elsewhere is a line each tenth: %o", (where) => {
    const lines = shown(where).split("\n").slice(0, -1);
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe("logins  2 of 20  25.0 a second  0 failed");
    expect(lines[9]).toBe("logins  20 of 20  25.0 a second  1 failed");
  });

  it("is none where JSON is asked for", () => {
    expect(shown({ json: true })).toBe("");
  });
});
