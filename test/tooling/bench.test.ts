import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { aim, figure, inRounds } from "../../bench/report/figures.mjs";
import { median, percentile, ratios, spread, sums } from "../../bench/report/statistics.mjs";

const script = fileURLToPath(new URL("../../bench/run.mjs", import.meta.url));

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
}

describe("the arithmetic of the bench", () => {
  it("takes percentiles by the nearest rank", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([50, 95, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([50, 95, 99, 100]);
    expect([1, 50, 99].map((percent) => percentile([7], percent))).toEqual([7, 7, 7]);
    expect(percentile([3, 1, 2], 99)).toBe(3);
  });

  it("says how far rounds lie apart", () => {
    expect(spread([5, 1, 3])).toEqual({ min: 1, median: 3, max: 5 });
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it("compares round by round, so that what slows down both sides of one cancels", () => {
    expect(ratios([30, 300, 30], [20, 200, 20])).toEqual([1.5, 1.5, 1.5]);
    expect(() => ratios([1, 2], [1])).toThrow("side by side");
    expect(sums([1, 2], [10, 20], [100, 200])).toEqual([111, 222]);
  });

  it("judges an aim by the median, at its bound too", () => {
    const kept = (bound: "at most" | "below" | "at least", rounds: number[]) =>
      aim("it", bound, 15, figure("it", "it", "ms", rounds)).kept;
    expect(["at most", "below", "at least"].map((bound) => kept(bound as "below", [1, 15, 99]))).toEqual([
      true,
      false,
      true,
    ]);
    expect([kept("at most", [14, 16, 16]), kept("below", [0, 14, 99]), kept("at least", [14, 14, 99])]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it("collects what rounds hand over by its name", async () => {
    expect(await inRounds(3, async (index) => ({ a: index, b: -index }))).toEqual({ a: [0, 1, 2], b: [-0, -1, -2] });
  });
});

const latencies = [1, 16, 256, 1000].flatMap((atOnce) =>
  ["p50", "p95", "p99"].map((name) =>
    figure(`login.${atOnce}.${name}`, `${atOnce}: ${name}`, "ms", [atOnce, 2 * atOnce]),
  ),
);
const floor = ["floor.handshake", "floor.powers", "floor.commit", "alone.cpu", "alone.handshake", "alone.commit"];
const ratio = figure("login.ratio", "login / floor", "", [1.4, 1.61, 1.5]);
const results = {
  began: "2026-11-21T12:00:00.000Z",
  seconds: 61.4,
  machine: {
    cores: 2,
    model: 'A "fast" <CPU> & more',
    memory_gb: 8,
    system: "Linux",
    node: "v20",
    openssl: "3.0",
    durable: true,
  },
  load: { start: [0, 0, 0], end: [1, 0.5, 0.25] },
  options: { quick: true },
  parts: [
    {
      name: "login",
      title: "A full login, and its floor",
      figures: [
        figure("login.cpu", "a login, server", "ms CPU", [2.4, 2.123, 9]),
        ...floor.map((name) => figure(`login.${name}`, name, "ms CPU", [0.5, 0.4])),
        ratio,
        ...latencies,
      ],
      aims: [aim("server CPU of a login", "at most", 1.5, ratio)],
      notes: ["CPU is that of the whole process."],
    },
    {
      name: "growth",
      title: "Growth",
      figures: [1000, 1_000_000].flatMap((size) =>
        ["login", "register"].map((name) => figure(`growth.${size}.${name}`, name, "ms CPU", [12_345.6])),
      ),
      aims: [aim("start-up", "below", 2000, figure("x", "x", "ms", [2000]))],
      notes: [],
    },
  ],
};

/** The table and the picture of these results, as files. */
function rendered(): { page: string; picture: string; json: unknown; stdout: string } {
  const directory = mkdtempSync(join(tmpdir(), "postern-bench-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "given.json");
  writeFileSync(file, JSON.stringify(results));
  const { status, stdout, stderr } = bench("--render", file, "--out", join(directory, "out"));
  expect({ status, stderr: stderr.split("\n").length }).toEqual({ status: 0, stderr: 2 });
  const read = (name: string) => readFileSync(join(directory, "out", name), "utf8");
  return { page: read("bench.md"), picture: read("bench.svg"), json: JSON.parse(read("bench.json")), stdout };
}

describe("the results of the bench", () => {
  it("are a page with the machine, the aims and the spread of every figure; a picture; and the same as JSON", () => {
    const { page, picture, json, stdout } = rendered();
    expect(stdout).toBe(`${page}\n`);
    expect(json).toEqual(JSON.parse(JSON.stringify(results)));
    expect(page).toContain("Load average at the start 0 0 0, at the end 1 0.5 0.25.");
    expect(page).toMatch(/\| server CPU of a login +\| at most 1\.5 +\| +1\.50 \| kept +\|/);
    expect(page).toMatch(/\| start-up +\| below 2,000 ms \| +2,000 \| \*\*missed\*\* \|/);
    expect(page).toMatch(/\| a login, server +\| ms CPU \| +2\.12 \| +2\.40 \| +9\.00 \| +3 \|/);
    expect(page).toMatch(/\| login +\| ms CPU \| 12,346 \|/);
    expect(page).toContain("\n- CPU is that of the whole process.\n");

    for (const title of ["A full login, and its floor", "How long a login takes", "Growth"]) {
      expect(picture).toContain(`>${title}<`);
    }
    expect(picture).toContain("prefers-color-scheme: dark");
    expect(picture).toContain("A &#34;fast&#34; &#60;CPU&#62; &#38; more");
    expect(picture).not.toMatch(/NaN|undefined|Infinity/);
    expect(openElements(picture)).toEqual([]);
  });
});

/** What is not closed in its turn. */
function openElements(xml: string): string[] {
  const open: string[] = [];
  for (const [, end, name = "", alone] of xml.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (end === "/") expect(open.pop()).toBe(name);
    else if (alone === "") open.push(name);
  }
  return open;
}

describe("npm run bench", () => {
  it.each([
    [["--only", "logins"], "--only takes one of login, "],
    [["--fast"], "Unknown option '--fast'"],
  ])("refuses %j before it measures anything", (args, said) => {
    const { status, stdout, stderr } = bench(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(said);
    expect(stderr).toContain("npm run bench -- --quick");
  });
});
