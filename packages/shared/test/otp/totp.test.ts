import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PosternError } from "../../src/errors.js";
import { type Code, parseCode } from "../../src/otp/code.js";
import { type OtpAlgorithm, otpAlgorithms, totpDefaults } from "../../src/otp/parameters.js";
import { encodeSecret } from "../../src/otp/secret.js";
import { matchTotp, NO_STEP, PAST_STEPS, stepAt, totpCode, untilNextStep } from "../../src/otp/totp.js";

/** The RFC's text says one 20-byte seed; its reference code uses one of the hash's length, and so do its values. */
const seeds = Object.fromEntries(
  Object.entries(otpAlgorithms).map(([name, { secretBytes }]) => [
    name,
    Buffer.from("1234567890".repeat(7).slice(0, secretBytes)),
  ]),
) as Record<OtpAlgorithm, Buffer>;

/** Seconds, T in hexadecimal, TOTP for SHA1, SHA256, SHA512. */
const appendixB: [number, string, string, string, string][] = [
  [59, "0000000000000001", "94287082", "46119246", "90693936"],
  [1111111109, "00000000023523EC", "07081804", "68084774", "25091201"],
  [1111111111, "00000000023523ED", "14050471", "67062674", "99943326"],
  [1234567890, "000000000273EF07", "89005924", "91819424", "93441116"],
  [2000000000, "0000000003F940AA", "69279037", "90698825", "38618901"],
  [20000000000, "0000000027BC86AA", "65353130", "77737706", "47863826"],
];

describe("attack 18: RFC 6238 appendix B", () => {
  it.each(appendixB)("time %i", (seconds, hexadecimal, sha1, sha256, sha512) => {
    const step = stepAt(seconds * 1000, 30);
    expect(step.toString(16).toUpperCase().padStart(16, "0")).toBe(hexadecimal);
    for (const [algorithm, expected] of Object.entries({ SHA1: sha1, SHA256: sha256, SHA512: sha512 })) {
      const name = algorithm as OtpAlgorithm;
      expect(totpCode(seeds[name], step, { algorithm: name, digits: 8, period: 30 })).toBe(expected);
    }
  });
});

describe("steps", () => {
  it("change at whole periods, to the millisecond", () => {
    expect([0, 29_999, 30_000, 59_999, 60_000].map((time) => stepAt(time, 30))).toEqual([0, 0, 1, 1, 2]);
    expect([0, 1, 29_999, 30_000].map((time) => untilNextStep(time, 30))).toEqual([30_000, 29_999, 1, 30_000]);
    expect(stepAt(61_000, 60)).toBe(1);
  });

  it.each([[-1], [Number.NaN], [-30_000]])("a clock at %d is a bug, not a step", (time) => {
    expect(() => stepAt(time, 30)).toThrow(PosternError);
  });
});

const secret = seeds.SHA1;
const params = totpDefaults;
const T = 60_000_000;
const at = (step: number) => totpCode(secret, step, params);
/** At the middle of step T. */
const attempt = (code: Code, lastStep = NO_STEP, now = T * 30_000 + 15_000) =>
  matchTotp({ secret, code, now, lastStep, params });

describe("matching", () => {
  it.each([[-1], [0], [1]])("accepts step T%+d", (offset) => {
    expect(attempt(at(T + offset))).toEqual({ kind: "match", step: T + offset });
  });

  it("attack 23: T+2 and T-2 are refused", () => {
    expect(attempt(at(T + 2))).toEqual({ kind: "none" });
    expect(attempt(at(T - 2))).toEqual({ kind: "past", stepsBehind: 2 });
  });

  it("attack 19: an accepted code is refused the second time", () => {
    expect(attempt(at(T), T)).toEqual({ kind: "replayed", step: T });
  });

  it("attack 21: after step T, T-1 is refused and T+1 still accepted", () => {
    expect(attempt(at(T - 1), T)).toEqual({ kind: "replayed", step: T - 1 });
    expect(attempt(at(T + 1), T)).toEqual({ kind: "match", step: T + 1 });
  });

  it("after step T+1 nothing of the window is left", () => {
    for (const step of [T - 1, T, T + 1]) expect(attempt(at(step), T + 1)).toEqual({ kind: "replayed", step });
  });

  it("a code from before the last used step is replayed, not past", () => {
    expect(attempt(at(T - 5), T - 3)).toEqual({ kind: "replayed", step: T - 5 });
    expect(attempt(at(T - 3), T - 3)).toEqual({ kind: "replayed", step: T - 3 });
    expect(attempt(at(T - 2), T - 3)).toEqual({ kind: "past", stepsBehind: 2 });
  });

  it("tells how far behind a device is, up to 20 steps", () => {
    for (let behind = 2; behind <= PAST_STEPS; behind += 1) {
      expect(attempt(at(T - behind))).toEqual({ kind: "past", stepsBehind: behind });
    }
    expect(attempt(at(T - PAST_STEPS - 1))).toEqual({ kind: "none" });
  });

  it("attack 28b: a code right for a future step gets no other answer than a wrong one", () => {
    const wrong = attempt(parseCode("000000", 6) as Code);
    for (let ahead = 2; ahead <= 100; ahead += 1) expect(attempt(at(T + ahead))).toEqual(wrong);
    expect(wrong).toEqual({ kind: "none" });
  });

  it("a clock set back accepts nothing until it has caught up", () => {
    expect(attempt(at(T), T + 1000)).toEqual({ kind: "replayed", step: T });
  });

  it("the first steps of 1970 have no steps before them", () => {
    expect(attempt(at(0), NO_STEP, 0)).toEqual({ kind: "match", step: 0 });
    expect(attempt(at(1), NO_STEP, 0)).toEqual({ kind: "match", step: 1 });
    expect(attempt(at(-5), NO_STEP, 0)).toEqual({ kind: "none" });
  });

  it("a code that stands at two steps of the window uses up the later one", () => {
    const oneDigit = { algorithm: "SHA1", digits: 1, period: 30 } as const;
    const one = (step: number) => totpCode(secret, step, oneDigit);
    let step = T;
    while (one(step - 1) !== one(step + 1)) step += 1;
    const verdict = matchTotp({ secret, code: one(step - 1), now: step * 30_000, lastStep: NO_STEP, params: oneDigit });
    expect(verdict).toEqual({ kind: "match", step: step + 1 });
  });

  it("a code of another length is refused", () => {
    expect(attempt(totpCode(secret, T, { ...params, digits: 8 }))).toEqual({ kind: "none" });
  });

  it("leaves the secret as it was", () => {
    const before = encodeSecret(secret);
    attempt(at(T));
    expect(encodeSecret(secret)).toBe(before);
  });

  it("promise 3: whatever the order of tries, the accepted steps only ever rise", () => {
    const tries = fc.array(fc.record({ clock: fc.nat(10), offset: fc.integer({ min: -25, max: 5 }) }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(tries, (list) => {
        let lastStep = NO_STEP;
        for (const { clock, offset } of list) {
          const verdict = attempt(at(T + clock + offset), lastStep, (T + clock) * 30_000);
          if (verdict.kind !== "match") continue;
          expect(verdict.step).toBeGreaterThan(lastStep);
          lastStep = verdict.step;
        }
      }),
    );
  });
});
