import { randomBytes } from "node:crypto";
import { group2048 } from "@postern/shared/srp/group";
import { power, powerOnce, warmPower } from "@postern/shared/srp/power";
import { describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../support/crash-random.js";
import { newLmdbStore, newStore, type TestStore, temporaryDirectory } from "../support/in-process.js";
import { type Group, loginTimes, type Times } from "./timing/login-times.js";
import { type Comparison, compare, median } from "./timing/statistics.js";
import { limits, whatTells } from "./timing/verdict.js";

const TRIES = Number(process.env["POSTERN_TEST_TRIES"] ?? 20_000);

const say = (line: string) => process.stderr.write(`${line}\n`);
const microseconds = (ms: number) => `${(1000 * ms).toFixed(1)} µs`;
const percent = (part: number) => `${(100 * part).toFixed(2)} %`;

function progress(done: number, all: number): void {
  if (done % Math.ceil(all / 20) === 0) say(`${done} of ${all} tries`);
}

function tell(
  what: string,
  { medians, difference, interval, distance, chance, auc, aucError, bestGuess }: Comparison,
): void {
  const [one, other] = medians.map(microseconds);
  const [from, to] = interval.map(microseconds);
  say(`${what}: medians ${one} and ${other}, ${microseconds(difference)} apart, with 99 % from ${from} to ${to}`);
  say(`  Kolmogorov-Smirnov D = ${distance.toFixed(4)}, p = ${chance.toFixed(4)}`);
  say(
    `  AUC ${auc.toFixed(4)} ± ${aucError.toFixed(4)}; the best threshold is right ${percent(bestGuess)} of the time`,
  );
  if (chance < 0.01) say("  that is more than chance: a difference can be measured, whether or not it counts");
}

/** What tells known from unknown names, for each step; everything that was found out goes to stderr. */
function judge(times: Record<Group, Times>, random: Random): string[] {
  const steps: readonly (keyof Times)[] = ["start", "proof", "both"];
  return steps.flatMap((step) => {
    const control = compare(times.known[step], times.control[step], random);
    const between = compare([...times.known[step], ...times.control[step]], times.unknown[step], random);
    tell(`${step}, known and known`, control);
    tell(`${step}, known and unknown`, between);
    return whatTells(between, control).map((reason) => `${step} tells known from unknown names by ${reason}`);
  });
}

const stores: [string, () => Promise<TestStore>][] = [
  ["in memory", () => newStore()],
  ["in LMDB", async () => newLmdbStore(await temporaryDirectory())],
];

describe("attack 13, promise 2: a wrong password for a known and for an unknown name", () => {
  it.each(stores)(
    `cannot be told apart by time, with a store %s, over ${TRIES} tries each`,
    {
      timeout: 60_000 + TRIES * 500,
    },
    async (where, make) => {
      const random = seededRandom("timing of logins");
      say(`the verdict fails at an AUC beyond 0.5 ± ${limits.auc} (three standard errors where the tries are few)`);
      say(`or medians further apart than ${percent(limits.medians)} and than those of known and known are by chance`);
      const times = await loginTimes(await make(), { tries: TRIES, random, onTry: progress });
      say(`store ${where}, ${TRIES} tries of known, known (control) and unknown names:`);
      expect(judge(times, random)).toEqual([]);
    },
  );
});

/** Exponents of 32 bytes with the top bit set, as all of SRP's are. */
const exponents = {
  "one bit": () => Buffer.concat([Buffer.of(0x80), Buffer.alloc(31)]),
  "few bits": () => Buffer.concat([Buffer.of(0x80), Buffer.alloc(30), Buffer.of(1)]),
  random: () => Buffer.concat([Buffer.of(0x80 | (randomBytes(1)[0] ?? 0)), randomBytes(31)]),
  "all bits": () => Buffer.alloc(32, 0xff),
} as const;

function powerMs(way: typeof power, exponent: Buffer): number {
  const base = Buffer.concat([Buffer.of(0x10), randomBytes(255)]);
  const began = performance.now();
  way(group2048, base, exponent);
  return performance.now() - began;
}

describe.each([
  ["on a server", power],
  ["on a client", powerOnce],
])("attack 17: a power %s", (_where, way) => {
  it(`takes a time in which the weight of its exponent does not show, over ${TRIES} powers each`, {
    timeout: 60_000 + TRIES * 20,
  }, () => {
    warmPower(group2048);
    const random = seededRandom("timing of powers");
    const kinds = Object.entries(exponents).map(([kind, make]) => ({ kind, make, times: [] as number[] }));
    for (let tries = 0; tries < TRIES; tries++) {
      const first = random.below(kinds.length);
      for (const { make, times } of [...kinds.slice(first), ...kinds.slice(0, first)]) times.push(powerMs(way, make()));
    }
    const medians = kinds.map(({ times }) => median(times));
    for (const [index, { kind }] of kinds.entries()) say(`exponent of ${kind}: ${microseconds(medians[index] ?? 0)}`);
    const gap = Math.max(...medians) / Math.min(...medians) - 1;
    say(`the largest gap between medians is ${percent(gap)}`);
    expect(gap).toBeLessThan(0.05);
  });
});
