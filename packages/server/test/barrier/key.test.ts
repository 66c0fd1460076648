import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatKey, type KeyPart } from "../../src/barrier/key.js";
import { expectCode } from "./support.js";

const byteHeavy = fc
  .uint8Array({ maxLength: 6, max: 255 })
  .map((bytes) => bytes.map((b) => [0, 1, 2, 255][b % 4] ?? b));
const part: fc.Arbitrary<KeyPart> = fc.oneof(byteHeavy, fc.maxSafeNat());
const parts = fc.array(part, { maxLength: 4 });

/** The same order that the keys should have: part by part, bytes before numbers. */
function compareParts(a: readonly KeyPart[], b: readonly KeyPart[]): number {
  for (const [i, left] of a.entries()) {
    const right = b[i];
    if (right === undefined) return 1;
    const order = comparePart(left, right);
    if (order !== 0) return order;
  }
  return a.length === b.length ? 0 : -1;
}

function comparePart(left: KeyPart, right: KeyPart): number {
  if (typeof left === "number" && typeof right === "number") return Math.sign(left - right);
  if (typeof left === "number") return 1;
  if (typeof right === "number") return -1;
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

describe("a key of several parts", () => {
  it("is written as documented", () => {
    expect(concatKey("a\0b", 258).toString("hex")).toBe("016100ff620000020000000000000102");
  });

  it("orders as its parts do, so no two lists of parts make one key", () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(Buffer.compare(concatKey(...a), concatKey(...b))).toBe(compareParts(a, b));
      }),
      { numRuns: 5000 },
    );
  });

  it("begins another only when its parts do", () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const begins = concatKey(...b)
          .subarray(0, concatKey(...a).length)
          .equals(concatKey(...a));
        expect(begins).toBe(compareParts(a, b.slice(0, a.length)) === 0);
      }),
      { numRuns: 5000 },
    );
  });

  it("takes text as its UTF-8, and no number that is not whole and safe", () => {
    expect(concatKey("zo\u00eb")).toEqual(concatKey(Buffer.from("zo\u00eb")));
    for (const number of [-1, 0.5, Number.NaN, 2 ** 53]) expectCode(() => concatKey(number), "bug");
  });
});
