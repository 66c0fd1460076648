import { expect, it } from "vitest";
import { prefixes } from "../../src/records/keys.js";

it("no two kinds of record stand under one byte, and the first and last of them are free", () => {
  const bytes = Object.values(prefixes);
  expect(new Set(bytes).size).toBe(bytes.length);
  for (const byte of bytes) expect(byte > 0 && byte < 0xff).toBe(true);
});
