import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { toBytes } from "../../src/srp/integer.js";
import { parseProof, parsePublicValue, parseSalt, parseVerifier } from "../../src/srp/parse.js";
import { postern } from "../../src/srp/suite.js";
import { codeOf } from "./code-of.js";

const N = postern.group.prime;
const wide = (value: bigint, digits = 512) => value.toString(16).padStart(digits, "0");

const parsers = [
  { name: "parsePublicValue", parse: parsePublicValue, digits: 512, code: "ephemeral_invalid" },
  { name: "parseVerifier", parse: parseVerifier, digits: 512, code: "verifier_invalid" },
  { name: "parseProof", parse: parseProof, digits: 64, code: "bad_request" },
  { name: "parseSalt", parse: parseSalt, digits: 64, code: "server_failed" },
] as const;

describe.each(parsers)("$name", ({ parse, digits, code }) => {
  it("takes what it wrote itself, zeros in front included", () => {
    for (let zeros = 0; zeros < 8; zeros++) {
      const hex = "0".repeat(zeros * 2) + randomBytes(digits / 2 - zeros - 1).toString("hex");
      const padded = `00${hex}`;
      expect(parse(padded).toString("hex")).toBe(padded);
    }
  });

  it.each([
    ["a digit short", "1".repeat(digits - 1)],
    ["two digits short", "1".repeat(digits - 2)],
    ["a digit long", "1".repeat(digits + 1)],
    ["two zeros long, as a padded proof that the package takes", "00".padEnd(digits + 2, "1")],
    ["empty", ""],
    ["upper-case", "1".repeat(digits - 1).concat("A")],
    ["signed, as the package takes it", "-".padEnd(digits, "1")],
    ["prefixed", "0x".padEnd(digits, "1")],
    ["spaced", " ".padEnd(digits, "1")],
    ["ended by a line feed", "1".repeat(digits - 1).concat("\n")],
    ["longer by a line feed", "1".repeat(digits).concat("\n")],
    ["not hex", "g".padEnd(digits, "1")],
    ["in full-width digits", "１".repeat(digits)],
    ["an array around what would be right", ["1".repeat(digits)]],
    ["a number", 1],
    ["null", null],
    ["missing", undefined],
    ["an object", { length: digits * 2, toString: () => "1".repeat(digits) }],
  ])("refuses what is %s", (_name, input) => {
    expect(codeOf(() => parse(input))).toBe(code);
  });

  it("says what its caller wants said", () => {
    expect(codeOf(() => parse("", "server_not_proved"))).toBe("server_not_proved");
  });
});

describe.each(parsers.slice(0, 2))("the range of $name (CVE-2009-4810, RFC 5054 2.5.4)", ({ parse, code }) => {
  it.each([
    ["0", 0n],
    ["1", 1n],
    ["N-1", N - 1n],
    ["N", N],
    ["N+1", N + 1n],
    ["N+2", N + 2n],
    ["2^2048-1", (1n << 2048n) - 1n],
  ])("refuses %s", (_name, value) => {
    expect(codeOf(() => parse(wide(value)))).toBe(code);
  });

  it.each([2n, 3n, 5n, 1000n])("refuses %d * N, which needs more digits than there are", (factor) => {
    expect(codeOf(() => parse(wide(factor * N)))).toBe(code);
  });

  it.each([2n, 3n, 1n << 64n, N / 2n, N - 3n, N - 2n])("takes %d", (value) => {
    expect(parse(wide(value))).toEqual(toBytes(value, 256));
  });
});
