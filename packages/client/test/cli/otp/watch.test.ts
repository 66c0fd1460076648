import { describe, expect, it } from "vitest";
import { otpCodeCommand } from "../../../src/cli/otp/code.js";
import { groupedCode } from "../../../src/cli/otp/watch.js";
import { Bench, type BenchOptions, given, secretFile } from "./bench.js";

const ESC = "\u001b";

function watch(bench: Bench, count?: number): Promise<void> {
  const times = count === undefined ? {} : { count: `${count}` };
  return otpCodeCommand(bench.output, { ...given, secretFile: secretFile(), watch: true, ...times }, bench.host);
}

/** What a screen shows after each drawing of the line. */
const frames = ({ stdout }: Bench) => stdout.text.split(`\r${ESC}[K`).slice(1);

describe("codes as they come", () => {
  it("on a terminal are one line, drawn over at each whole second, and taken away at the end", async () => {
    const bench = new Bench({ at: 57.5, isTTY: true, env: { NO_COLOR: "1" } });
    await watch(bench, 2);
    const second = Array.from({ length: 30 }, (_, index) => `359 152${`${30 - index}`.padStart(5)} s`);
    expect(frames(bench)).toEqual(["287 082    3 s", "287 082    2 s", "287 082    1 s", ...second, ""]);
    expect(bench.now).toBe(90_000);
  });

  it("are bold where colours are, and the same without", async () => {
    const [plain, coloured] = [new Bench({ isTTY: true, env: { NO_COLOR: "1" } }), new Bench({ isTTY: true })];
    await Promise.all([watch(plain, 1), watch(coloured, 1)]);
    expect(frames(coloured)).toEqual([`${ESC}[1m287 082${ESC}[22m    1 s`, ""]);
    expect(frames(plain)).toEqual(["287 082    1 s", ""]);
  });

  it.each([
    ["in a pipe", { isTTY: false }],
    ["on a dumb terminal", { isTTY: true, env: { TERM: "dumb" } }],
  ] as const)(
    "%s are a line each, of digits alone, and it ends with the last one",
    async (_, options: BenchOptions) => {
      const bench = new Bench(options);
      await watch(bench, 3);
      expect(bench.stdout.text).toBe("287082\n359152\n969429\n");
      expect(bench.now).toBe(90_000);
    },
  );

  it("are a line of JSON each under --json, on a terminal too", async () => {
    const bench = new Bench({ isTTY: true, json: true });
    await watch(bench, 2);
    expect(bench.results).toEqual([
      { code: "287082", expires_in: 1 },
      { code: "359152", expires_in: 30 },
    ]);
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"])("end at %s as cancelled, with nothing left on the line", async (signal) => {
    const bench = new Bench({ at: 40, isTTY: true });
    bench.onSleep = () => bench.now > 44_000 && bench.signals.emit(signal);
    await expect(watch(bench)).rejects.toMatchObject({ code: "cancelled", exit: 130 });
    expect(frames(bench)).toHaveLength(7);
    expect(frames(bench).at(-1)).toBe("");
    expect(bench.signals.eventNames()).toEqual([]);
  });

  it("end when nobody reads them any more", async () => {
    const bench = new Bench();
    bench.onSleep = () => bench.stdout.destroy();
    await watch(bench);
    expect(bench.stdout.text).toBe("287082\n");
  });

  it("follow a clock that is set meanwhile", async () => {
    const bench = new Bench({ at: 30, isTTY: true, env: { NO_COLOR: "1" } });
    bench.onSleep = () => {
      if (bench.now === 31_000) bench.now = 1_111_111_109_000;
    };
    await watch(bench, 2);
    expect(frames(bench).slice(0, 3)).toEqual(["287 082   30 s", "287 082   29 s", "050 471   30 s"]);
  });
});

describe("a code in groups", () => {
  it.each(["1234", "12345", "123 456", "123 4567", "1234 5678", "123 456 789", "123 456 7890"])("is %s", (groups) => {
    expect(groupedCode(groups.replaceAll(" ", ""))).toBe(groups);
  });
});
