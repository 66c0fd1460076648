import { checkPrimeSync, createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { group1024, group2048, inRange, pad } from "../../src/srp/group.js";
import { toBytes, toInteger } from "../../src/srp/integer.js";
import { isZero, power as powerOften, powerOnce, warmPower } from "../../src/srp/power.js";
import { bigintPower } from "./package-oracle.js";

const { prime } = group2048;

describe("the groups", () => {
  for (const { name, prime, bytes } of [group1024, group2048]) {
    it(`${name}: the modulus has its full width, and 2 generates every residue`, () => {
      expect(prime >> BigInt(bytes * 8 - 1)).toBe(1n);
      const q = (prime - 1n) / 2n;
      expect(bigintPower(2n, q, prime)).toBe(prime - 1n);
      expect(bigintPower(2n, 2n * q, prime)).toBe(1n);
    });

    it(`${name}: N and q are prime`, () => {
      expect(checkPrimeSync(prime, { checks: 10 })).toBe(true);
      expect(checkPrimeSync((prime - 1n) / 2n, { checks: 10 })).toBe(true);
    });
  }

  it("no digit of either modulus was touched", () => {
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    expect(digest(group1024.primeBytes)).toBe("494b6a801b379f37c9ee25d5db7cd70ffcfe53d01b7c9e4470eaca46bda24b39");
    expect(digest(group2048.primeBytes)).toBe("91b71d6b40d439954568d412e883de5186f9381e25aef36e7a4607722f7e15ca");
  });
});

const ways = [
  ["power in a process that computes many", powerOften],
  ["power in a process that computes a few", powerOnce],
] as const;

describe.each(ways)("%s", (_way, power) => {
  it("answers the same before and after it is warmed, once and again", () => {
    const before = power(group2048, pad(group2048, 2n), Buffer.from([10]));
    warmPower(group2048);
    warmPower(group2048);
    expect(before).toEqual(pad(group2048, 1024n));
    expect(power(group2048, pad(group2048, 2n), Buffer.from([10]))).toEqual(pad(group2048, 1024n));
  });

  it("equals BigInt for 300 random bases and exponents of every length up to 32 bytes, always at full width", () => {
    for (let round = 0; round < 300; round++) {
      const base = 2n + (toInteger(randomBytes(272)) % (prime - 3n));
      const exponent = toInteger(randomBytes((round % 32) + 1)) || 1n;
      const result = power(group2048, pad(group2048, base), toBytes(exponent, 32));
      expect(result).toEqual(pad(group2048, bigintPower(base, exponent, prime)));
    }
  });

  it("equals BigInt at the extremes of base and exponent", () => {
    const q = (prime - 1n) / 2n;
    const bases = [
      2n,
      3n,
      4n,
      255n,
      256n,
      1n << 64n,
      (1n << 2040n) - 1n,
      1n << 2047n,
      q,
      q + 1n,
      prime - 3n,
      prime - 2n,
    ];
    const exponents = [1n, 2n, 3n, 255n, 256n, (1n << 64n) - 1n, 1n << 64n, 1n << 255n, (1n << 256n) - 1n];
    for (const base of bases) {
      for (const exponent of exponents) {
        const result = power(group2048, pad(group2048, base), toBytes(exponent, 32));
        expect(result).toEqual(pad(group2048, bigintPower(base, exponent, prime)));
      }
    }
  });

  it("keeps the zeros in front of a small result", () => {
    const result = power(group2048, pad(group2048, 2n), Buffer.from([8]));
    expect(result).toHaveLength(256);
    expect(result.subarray(0, 254)).toEqual(Buffer.alloc(254));
    expect(result.readUInt16BE(254)).toBe(256);
  });

  it("does not care for zeros in front of an exponent", () => {
    const base = pad(group2048, 7n);
    expect(power(group2048, base, Buffer.from("0000000000000000000000000000000005", "hex"))).toEqual(
      power(group2048, base, Buffer.from([5])),
    );
  });

  it.each([
    ["0", 0n],
    ["1", 1n],
    ["N-1", prime - 1n],
    ["N", prime],
    ["N+1", prime + 1n],
    ["N+5, which OpenSSL 3.0 would reduce", prime + 5n],
    ["2^2048-1", (1n << 2048n) - 1n],
  ])("refuses the base %s", (_name, base) => {
    expect(() => power(group2048, toBytes(base, 256), Buffer.from([3]))).toThrowError(
      expect.objectContaining({ code: "bug" }),
    );
  });

  it.each([
    ["empty", 0],
    ["a byte short", 255],
    ["a byte long", 257],
  ])("refuses a base that is %s", (_name, size) => {
    expect(() => power(group2048, Buffer.alloc(size, 5), Buffer.from([3]))).toThrowError(
      expect.objectContaining({ code: "bug" }),
    );
  });

  it.each([
    ["empty", Buffer.alloc(0)],
    ["zero, as a wiped one is", Buffer.alloc(32)],
    ["33 bytes", Buffer.alloc(33, 1)],
    ["q, where the result would be N-1", toBytes((prime - 1n) / 2n, 256)],
    ["N-1, where the result would be 1", toBytes(prime - 1n, 256)],
  ])("refuses an exponent that is %s", (_name, exponent) => {
    expect(() => power(group2048, pad(group2048, 5n), exponent)).toThrowError(expect.objectContaining({ code: "bug" }));
  });

  it("goes on after a refusal, and leaves its inputs as they were", () => {
    const base = pad(group2048, 5n);
    const exponent = Buffer.from([3]);
    expect(() => power(group2048, base, Buffer.alloc(32))).toThrowError();
    expect(power(group2048, base, exponent)).toEqual(pad(group2048, 125n));
    expect(base).toEqual(pad(group2048, 5n));
    expect(exponent).toEqual(Buffer.from([3]));
  });
});

describe("bytes and integers", () => {
  it("keep the width and the value in both directions", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        expect(toBytes(toInteger(bytes), bytes.length)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("take nothing for zero, and a part of a larger buffer for itself", () => {
    expect(toInteger(Buffer.alloc(0))).toBe(0n);
    expect(toInteger(Buffer.from("ff0102ff", "hex").subarray(1, 3))).toBe(0x0102n);
  });

  it("isZero sees a single bit anywhere", () => {
    expect(isZero(Buffer.alloc(32))).toBe(true);
    for (let bit = 0; bit < 256; bit++) {
      expect(isZero(toBytes(1n << BigInt(bit), 32))).toBe(false);
    }
  });

  it("inRange is 1 < element < N-1 at the group's width", () => {
    const elements = [0n, 1n, 2n, prime - 2n, prime - 1n, prime];
    expect(elements.map((element) => inRange(group2048, toBytes(element, 256)))).toEqual([
      false,
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(inRange(group2048, toBytes(5n, 255))).toBe(false);
    expect(inRange(group1024, pad(group1024, 5n))).toBe(true);
  });
});
