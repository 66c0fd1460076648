import { createHmac } from "node:crypto";
import { parseCode } from "@postern/shared/otp/code";
import { describe, expect, it } from "vitest";
import { concealed, drawCode, isConcealed } from "../../../src/services/applications/code-draw.js";

/** Gives these bytes one after another, and no more. */
function fixed(bytes: readonly number[]): (size: number) => Buffer {
  let at = 0;
  return (size) => {
    const drawn = Buffer.from(bytes.slice(at, at + size));
    at += size;
    if (drawn.length < size) throw new Error("no more bytes");
    return drawn;
  };
}

describe("a drawn code", () => {
  it("has each digit exactly as often as any other, over all that a byte can be", () => {
    const counts = new Map<string, number>();
    let drawnAgain = 0;
    for (let byte = 0; byte < 256; byte++) {
      // What stands behind it is only asked for when the byte itself was none.
      const random = fixed([byte, 7]);
      const digit = drawCode(1, random);
      if (byte >= 250) drawnAgain += 1;
      else counts.set(digit, (counts.get(digit) ?? 0) + 1);
    }
    expect([...counts.entries()].sort()).toEqual(Array.from("0123456789", (digit) => [digit, 25]));
    expect(drawnAgain).toBe(6);
  });

  it("draws again what does not fall evenly on ten digits, at every place", () => {
    expect(drawCode(4, fixed([250, 1, 255, 22, 253, 9, 254, 249]))).toBe("1299");
  });

  it.each([4, 6, 10])("has %i ASCII digits, and keeps its leading zeros", (digits) => {
    const code = drawCode(digits, (size) => Buffer.alloc(size));
    expect(parseCode(code, digits)).toBe("0".repeat(digits));
  });
});

describe("what is kept of a code", () => {
  const random = (size: number) => Buffer.alloc(size, 9);
  const code = drawCode(6, random);

  it("is its HMAC-SHA256 under a key of its own", () => {
    const kept = concealed(code, random);
    expect(kept.macKey).toEqual(Buffer.alloc(32, 9));
    expect(kept.mac).toEqual(createHmac("sha256", kept.macKey).update(code).digest());
  });

  it("is told by the same code alone", () => {
    const kept = concealed(code, random);
    expect(isConcealed(kept, code)).toBe(true);
    expect(
      isConcealed(
        kept,
        drawCode(6, (size) => Buffer.alloc(size, 8)),
      ),
    ).toBe(false);
  });
});
