import { describe, expect, it } from "vitest";
import { methods } from "../src/messages.js";

/** What the longest text takes as UTF-8 is counted on by who pads records, so that their size tells nothing. */
describe("the length of a text, in UTF-16 units", () => {
  const takes = (client: string) => methods.hello.params.safeParse({ client, version: "1", features: [] }).success;

  it("is 1 to its bound, both included", () => {
    expect([0, 1, 64, 65].map((length) => takes("a".repeat(length)))).toEqual([false, true, true, false]);
    expect(takes("\n".repeat(64))).toBe(true);
  });

  it("is two for a character beyond the first 65,536: 64 of these would take more room than 64 of any other", () => {
    expect(takes("😀".repeat(32))).toBe(true);
    expect(takes("😀".repeat(33))).toBe(false);
    expect(takes(`${"字".repeat(63)}😀`)).toBe(false);
  });
});
