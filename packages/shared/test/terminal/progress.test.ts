import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { createOutput } from "../../src/terminal/output.js";
import { showProgress } from "../../src/terminal/progress.js";

/** What a task of so many steps writes to stderr, on a terminal or not. */
function shownBy({ tty, json = false, term = "xterm" }: { tty: boolean; json?: boolean; term?: string }): string {
  const stream = Object.assign(new PassThrough(), { isTTY: tty });
  const output = createOutput({ json, stdout: new PassThrough(), stderr: stream, env: {} });
  const progress = showProgress("Sealing", output, { stream, env: { TERM: term } });
  for (let done = 0; done <= 2000; done++) progress.to(done, 2000);
  progress.end();
  progress.end();
  return String(stream.read() ?? "");
}

describe("progress", () => {
  it("on a terminal is one line of less than 80 columns, drawn over, that is gone at the end", () => {
    const drawn = shownBy({ tty: true }).split("\r");
    expect(drawn.length).toBeLessThan(110);
    expect(drawn).toContain(`Sealing [${"#".repeat(15)}${"-".repeat(15)}]  50 %`);
    expect(drawn.every((line) => line.length < 80 && !line.includes("\n"))).toBe(true);
    expect(drawn.slice(-2)).toEqual([" ".repeat(79), ""]);
  });

  it("draws over all of a line that was longer", () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true });
    const output = createOutput({ json: false, stdout: new PassThrough(), stderr: stream, env: {} });
    const progress = showProgress("Reading", output, { stream, env: { TERM: "xterm" } });
    progress.to(50_000);
    progress.to(0, 1_000_000);
    progress.to(10_000);
    const [, , longer = "", shorter = ""] = String(stream.read()).split("\r");
    expect(shorter).toBe("Reading 10000".padEnd(longer.length));
  });

  it.each([{ tty: false }, { tty: true, term: "dumb" }])("elsewhere is a line each tenth: %o", (where) => {
    const tenths = Array.from({ length: 10 }, (_, index) => `Sealing ${(index + 1) * 10} %\n`);
    expect(shownBy(where)).toBe(tenths.join(""));
  });

  it("under --json is nothing", () => {
    expect([shownBy({ tty: true, json: true }), shownBy({ tty: false, json: true })]).toEqual(["", ""]);
  });

  it("of nothing to do is done", () => {
    const stream = new PassThrough();
    const output = createOutput({ json: false, stdout: stream, stderr: stream, env: {} });
    showProgress("Sealing", output, { stream, env: {} }).to(0, 0);
    expect(String(stream.read())).toBe("Sealing 100 %\n");
  });

  it("says how many, and how fast since the first, where it is asked to", () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true });
    const output = createOutput({ json: false, stdout: new PassThrough(), stderr: stream, env: {} });
    let now = 0;
    const rate = { unit: "records", now: () => now };
    const progress = showProgress("Copying", output, { stream, env: { TERM: "xterm" }, rate });
    for (const done of [100_000, 1_000_000]) {
      progress.to(done, 1_000_000);
      now += 30_000;
    }
    const drawn = String(stream.read()).split("\r");
    expect(drawn.map((line) => line.slice(48).trimEnd())).toEqual(["", "100000 records", "1000000 records, 30000/s"]);
    expect(drawn.every((line) => line.length < 80)).toBe(true);
  });
});
