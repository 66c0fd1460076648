import { describe, expect, it } from "vitest";
import { longestLife, parseExpires, parseNote, parseUses } from "../../src/cli/tokens/options.js";

const usage = expect.objectContaining({ code: "usage" });

describe("--expires", () => {
  it.each([
    ["30m", 30 * 60_000],
    ["24h", 24 * 3_600_000],
    ["7d", 7 * 24 * 3_600_000],
  ])("%s is so long", (text, span) => expect(parseExpires(text, longestLife.reset)).toBe(span));

  it.each(["", "7", "d", "0d", "-1d", "1.5h", "7w", "7 d", "soon", "8d", "9999999d"])(
    "%j is none for a reset",
    (text) => expect(() => parseExpires(text, longestLife.reset)).toThrow(usage),
  );

  it("of an invite may be a year, and no longer", () => {
    expect(parseExpires("365d", longestLife.invite)).toBe(longestLife.invite);
    expect(() => parseExpires("366d", longestLife.invite)).toThrow(usage);
  });
});

describe("--uses", () => {
  it.each([
    ["1", 1],
    ["1000", 1000],
  ])("%s is taken", (text, uses) => expect(parseUses(text)).toBe(uses));

  it.each(["", "0", "-1", "1.5", "01", "1001", "many"])("%j is not", (text) => {
    expect(() => parseUses(text)).toThrow(usage);
  });
});

describe("--note", () => {
  it.each(["for Zoë, of accounting", "x".repeat(100)])("%j is kept", (text) => expect(parseNote(text)).toBe(text));

  it.each(["", "x".repeat(101), "two\nlines", "\u001b[31mred", "\u202eevil", "a\u2028b"])("%j is not", (text) => {
    expect(() => parseNote(text)).toThrow(usage);
  });
});
