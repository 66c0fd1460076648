import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { otpAlgorithms } from "../../src/otp/parameters.js";
import { decodeSecret, encodeSecret, newSecret, secretLimits, withKey } from "../../src/otp/secret.js";

const failure = (code: string) => expect.objectContaining({ name: "PosternError", code });
const secretBytes = fc
  .uint8Array({ minLength: secretLimits.least, maxLength: secretLimits.most })
  .map((bytes) => Buffer.from(bytes));

describe("new secrets", () => {
  it("have the length of their hash, and differ", () => {
    expect(Object.values(otpAlgorithms).map((facts) => newSecret(facts.secretBytes).length)).toEqual([20, 32, 64]);
    expect(new Set(Array.from({ length: 100 }, () => newSecret(20).toString("hex"))).size).toBe(100);
  });

  it("are drawn from the generator that is given, and never below 128 bits (RFC 4226 R6)", () => {
    expect(newSecret(20, (size) => Buffer.alloc(size, 7))).toEqual(Buffer.alloc(20, 7));
    expect(() => newSecret(15)).toThrow(failure("bug"));
  });
});

describe("base32", () => {
  /** RFC 4648 section 10 has only shorter values; this is its alphabet in order. */
  it("is that of RFC 4648, without padding", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    expect(encodeSecret(decodeSecret(alphabet))).toBe(alphabet);
    expect(encodeSecret(Buffer.from("foobarfoobar"))).toBe("MZXW6YTBOJTG633CMFZA");
    expect(encodeSecret(Buffer.from("12345678901234567890"))).toBe("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
  });

  it("what was encoded is read back, also as people type it", () => {
    const separator = fc.constantFrom("", " ", "-", "  ");
    fc.assert(
      fc.property(secretBytes, fc.infiniteStream(fc.tuple(separator, fc.boolean())), (secret, habits) => {
        const text = encodeSecret(secret);
        expect(decodeSecret(text)).toEqual(secret);
        expect(decodeSecret(text.padEnd(Math.ceil(text.length / 8) * 8, "="))).toEqual(secret);
        const typed = Array.from(text, (letter) => {
          const [before, lower] = habits.next().value as [string, boolean];
          return before.slice(0, 1) + (lower ? letter.toLowerCase() : letter);
        });
        expect(decodeSecret(typed.join(""))).toEqual(secret);
      }),
    );
  });

  it.each([
    ["nothing", ""],
    ["padding alone", "========"],
    ["under 80 bits", "MZXW6YTBOJTG633"],
    ["over 1024 bits", "A".repeat(207)],
    ["a text without end", " ".repeat(1_000_000)],
    ["a 1", "GEZDGNBVGY3TQOJ1"],
    ["a 0", "GEZDGNBVGY3TQOJ0"],
    ["an 8", "GEZDGNBVGY3TQOJ8"],
    ["a long s, which folds to S", "GEZDGNBVGY3TQOJſ"],
    ["a full-width letter", "GEZDGNBVGY3TQOJＱ"],
    ["a length that no bytes have, 17", "GEZDGNBVGY3TQOJQA"],
    ["a length that no bytes have, 19", "GEZDGNBVGY3TQOJQAAA"],
    ["left-over bits that are not zero", "GEZDGNBVGY3TQOJQGF"],
    ["padding within", "GEZDGNBV=GY3TQOJQ"],
    ["too little padding", "GEZDGNBVGY3TQOJQGE====="],
    ["too much padding", "GEZDGNBVGY3TQOJQ========"],
    ["a line end", "GEZDGNBVGY3TQOJQ\n"],
    ["a tab", "GEZDGNBV\tGY3TQOJQ"],
  ])("refuses %s", (_, text) => {
    expect(() => decodeSecret(text)).toThrow(failure("otp_invalid"));
  });
});

it("the package's copy of a secret is wiped, and the secret itself is not, also after a throw", () => {
  const secret = Buffer.alloc(20, 7);
  const lent: Uint8Array[] = [];
  withKey(secret, (key) => lent.push(key.bytes));
  expect(() =>
    withKey(secret, (key) => {
      lent.push(key.bytes);
      throw new Error("on purpose");
    }),
  ).toThrow("on purpose");
  expect(lent).toEqual([new Uint8Array(20), new Uint8Array(20)]);
  expect(secret).toEqual(Buffer.alloc(20, 7));
});
