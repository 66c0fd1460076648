import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PosternError } from "../src/errors.js";
import { fingerprintOfDigest } from "../src/fingerprint.js";
import { formatToken, parseToken, type Token } from "../src/token.js";

const counting = (from: number, count: number) =>
  Buffer.from(Array.from({ length: count }, (_, index) => from + index));

const invite: Token = {
  kind: "invite",
  fingerprint: fingerprintOfDigest(counting(0, 32)),
  secret: counting(0xa0, 16),
};
const text = "ptk_AQEAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH6ChoqOkpaanqKmqq6ytrq_wUQZg";

function refusal(token: string): string | undefined {
  try {
    parseToken(token);
    return undefined;
  } catch (thrown) {
    return thrown instanceof PosternError ? thrown.code : String(thrown);
  }
}

describe("an operator's token", () => {
  it("is 76 characters, a line of a terminal", () => {
    expect(formatToken(invite)).toBe(text);
    expect(text).toHaveLength(76);
  });

  it("is read back as it was written, for every kind, identity and secret", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const kinds = fc.constantFrom("invite", "password-reset", "factor-reset");
    fc.assert(
      fc.property(kinds, bytes(32), bytes(16), (kind, digest, secret) => {
        const token = { kind, fingerprint: fingerprintOfDigest(digest), secret: Buffer.from(secret) } as const;
        expect(parseToken(formatToken(token))).toEqual(token);
      }),
    );
  });

  it("may have been broken into lines by a mail program", () => {
    expect(parseToken(`  ${text.slice(0, 40)}\r\n\t${text.slice(40)}\n`)).toEqual(invite);
  });

  it("with any one character changed, left out or doubled is none", () => {
    for (let at = 0; at < text.length; at++) {
      const other = text[at] === "A" ? "B" : "A";
      expect(refusal(text.slice(0, at) + other + text.slice(at + 1)), `${at}`).toBe("token_malformed");
      expect(refusal(text.slice(0, at) + text.slice(at + 1)), `${at}`).toBe("token_malformed");
      expect(refusal(text.slice(0, at) + text[at] + text.slice(at)), `${at}`).toBe("token_malformed");
    }
  });

  it.each([
    "",
    "ptk_",
    "x".repeat(10_000),
    `${text}=`,
    text.toUpperCase(),
    text.slice(4),
    `${text}\u00a0`,
    `\0${text}`,
  ])("is not %j", (other) => expect(refusal(other)).toBe("token_malformed"));

  it("of a later format, or a kind that is not known here, is none: its checksum may be right", () => {
    const rewritten = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(formatToken(invite).slice(4), "base64url");
      change(bytes);
      const body = bytes.subarray(0, 50);
      createHash("sha256").update("postern/1 token\0").update(body).digest().copy(bytes, 50, 0, 4);
      return `ptk_${bytes.toString("base64url")}`;
    };
    expect(refusal(rewritten(() => undefined))).toBeUndefined();
    expect(refusal(rewritten((bytes) => bytes.writeUInt8(2, 0)))).toBe("token_malformed");
    expect(refusal(rewritten((bytes) => bytes.writeUInt8(4, 1)))).toBe("token_malformed");
    expect(refusal(rewritten((bytes) => bytes.writeUInt8(0, 1)))).toBe("token_malformed");
  });

  it("that is refused does not stand in the error", () => {
    const broken = `${text.slice(0, -1)}A`;
    const thrown = expect.objectContaining({ message: "that is not a token" });
    expect(() => parseToken(broken)).toThrow(thrown);
  });
});
