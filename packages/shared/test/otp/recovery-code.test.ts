import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatRecoveryCode,
  hashRecoveryCode,
  newRecoveryCodes,
  parseRecoveryCode,
  type RecoveryCode,
} from "../../src/otp/recovery-code.js";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const canonical = fc.string({ unit: fc.constantFrom(...alphabet), minLength: 25, maxLength: 25 });

describe("new recovery codes", () => {
  it("are ten different ones of 25 characters", () => {
    const codes = newRecoveryCodes();
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{25}$/);
  });

  it("use each of the 32 characters for exactly 8 of the 256 values of a byte: 5 bits, 125 for a code", () => {
    const counts = new Map<string, number>();
    for (let byte = 0; byte < 256; byte += 1) {
      const [code = ""] = newRecoveryCodes((size) => Buffer.alloc(size, byte));
      expect(code).toBe(code.charAt(0).repeat(25));
      counts.set(code.charAt(0), (counts.get(code.charAt(0)) ?? 0) + 1);
    }
    expect([...counts.keys()].sort().join("")).toBe(alphabet);
    expect([...new Set(counts.values())]).toEqual([8]);
  });

  it("every position comes from a byte of its own", () => {
    const [code] = newRecoveryCodes((size) => Buffer.from(Array.from({ length: size }, (_, at) => at)));
    expect(code).toBe(alphabet.slice(0, 25));
  });

  it("are shown in five groups of five", () => {
    const [code] = newRecoveryCodes((size) => Buffer.from(Array.from({ length: size }, (_, at) => at + 7)));
    expect(formatRecoveryCode(code as RecoveryCode)).toBe("789ab-cdefg-hjkmn-pqrst-vwxyz");
  });
});

describe("typed recovery codes", () => {
  it("are read as they were shown", () => {
    for (const code of newRecoveryCodes()) expect(parseRecoveryCode(formatRecoveryCode(code))).toBe(code);
  });

  it("are read in either case, with any spaces and dashes, and with the letters that look alike", () => {
    const lookalikes: Record<string, string> = { 0: "0oO", 1: "1iIlL", v: "vVuU" };
    fc.assert(
      fc.property(canonical, fc.infiniteStream(fc.nat(11)), (code, habits) => {
        const typed = Array.from(code, (letter) => {
          const spellings = lookalikes[letter] ?? letter + letter.toUpperCase();
          const habit = habits.next().value as number;
          return spellings.charAt(habit % spellings.length) + (habit === 7 ? "-" : habit === 8 ? " " : "");
        });
        expect(parseRecoveryCode(typed.join(""))).toBe(code);
      }),
    );
  });

  it.each([
    ["nothing", ""],
    ["24 characters", "0".repeat(24)],
    ["26 characters", "0".repeat(26)],
    ["a text without end", "-".repeat(1_000_000)],
    ["another separator", "00000_00000_00000_00000_00000"],
    ["the Kelvin sign, which lower-cases to k", `${"0".repeat(24)}\u212a`],
    ["full-width digits", "０".repeat(25)],
    ["a line end", `${"0".repeat(25)}\n`],
    ["attack 6: null", null],
    ["attack 6: a number", 10 ** 24],
    ["attack 6: an array", ["0".repeat(25)]],
    ["attack 6: an object", { length: 25 }],
    ["undefined", undefined],
  ])("are refused: %s", (_, value) => {
    expect(parseRecoveryCode(value)).toBeUndefined();
  });
});

describe("what is kept of a recovery code", () => {
  it("is SHA-256 over the 25 canonical characters, however it was typed", () => {
    const code = parseRecoveryCode("OIL0U-abcde-fghjk-mnpqr-stvwx") as RecoveryCode;
    expect(code).toBe("0110vabcdefghjkmnpqrstvwx");
    const expected = createHash("sha256").update("0110vabcdefghjkmnpqrstvwx").digest("hex");
    expect(hashRecoveryCode(code).toString("hex")).toBe(expected);
    expect(hashRecoveryCode(code)).toHaveLength(32);
  });

  it("has this value for 25 zeros, for ever: stored hashes depend on it", () => {
    expect(hashRecoveryCode(parseRecoveryCode("0".repeat(25)) as RecoveryCode).toString("hex")).toBe(
      "a7c3b7fa76f97f7ef9256d6576d42efda29ee5907b343114523ecffea422c5b9",
    );
  });
});
