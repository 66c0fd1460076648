import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatSessionSecret, parseSessionSecret, sessionKeyOf } from "../src/session-secret.js";

const parts = {
  account: `acc_${"1a".repeat(16)}`,
  session: `ses_${"2b".repeat(16)}`,
  secret: Buffer.alloc(32, 0x3c),
} as const;
const text = `pss_${"1a".repeat(16)}${"2b".repeat(16)}_${"3c".repeat(32)}`;

describe("a session secret", () => {
  it("has one spelling, which is taken apart as it was put together", () => {
    expect(formatSessionSecret(parts)).toBe(text);
    expect(parseSessionSecret(text)).toEqual(parts);
  });

  it.each([
    "",
    text.toUpperCase(),
    `${text}0`,
    text.slice(0, -1),
    ` ${text}`,
    `${text}\n`,
    text.replace("pss", "psx"),
    text.replace(/_/g, "-"),
  ])("in any other form (%j) is none", (other) => {
    expect(parseSessionSecret(other)).toBeUndefined();
  });

  it("is stored as the SHA-256 of its bytes", () => {
    expect(sessionKeyOf(parts.secret)).toEqual(createHash("sha256").update(parts.secret).digest());
  });
});
