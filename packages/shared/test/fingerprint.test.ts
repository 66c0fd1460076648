import { createHash, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PosternError } from "../src/errors.js";
import { fingerprintOf, parseFingerprint, sameFingerprint } from "../src/fingerprint.js";

const spki = () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" }) as Buffer;

describe("fingerprint", () => {
  it("is SHA256: and the unpadded base64 of the SHA-256 of the key", () => {
    const key = spki();
    const digest = createHash("sha256").update(key).digest("base64");
    expect(fingerprintOf(key)).toBe(`SHA256:${digest.slice(0, 43)}`);
    expect(fingerprintOf(Buffer.alloc(0))).toBe("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU");
  });

  it("reads back every fingerprint", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const fingerprint = fingerprintOf(Buffer.from(bytes));
        expect(parseFingerprint(fingerprint)).toBe(fingerprint);
      }),
    );
  });

  const good = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
  it.each([
    ["no prefix", good],
    ["a lower-case prefix", `sha256:${good}`],
    ["another hash", `SHA512:${good}`],
    ["padding", `SHA256:${good}=`],
    ["one character less", `SHA256:${good.slice(0, -1)}`],
    ["one character more", `SHA256:${good}A`],
    ["unused bits that are not zero", `SHA256:${good.slice(0, -1)}V`],
    ["the URL alphabet", `SHA256:${good.replace("+", "-").replace("/", "_")}`],
    ["a space before", ` SHA256:${good}`],
    ["a newline after", `SHA256:${good}\n`],
    ["a space inside", `SHA256:${good.slice(0, 20)} ${good.slice(20)}`],
    ["hex", `SHA256:${"ab".repeat(32)}`],
    ["nothing", ""],
  ])("refuses %s", (_, text) => {
    expect(() => parseFingerprint(text)).toThrow(new PosternError("fingerprint_invalid"));
  });

  it("tells two fingerprints apart by any character", () => {
    const one = fingerprintOf(Buffer.from("one"));
    expect(sameFingerprint(one, fingerprintOf(Buffer.from("one")))).toBe(true);
    for (let at = 7; at < one.length; at++) {
      const changed = `${one.slice(0, at)}${one[at] === "A" ? "B" : "A"}${one.slice(at + 1)}`;
      expect(sameFingerprint(one, changed as typeof one)).toBe(false);
    }
    expect(sameFingerprint(one, one.slice(0, -1) as typeof one)).toBe(false);
  });
});
