import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toolkitLimits } from "../../src/otp/limits.js";
import { decodeSecretAs, encodeSecretAs, secretEncodings } from "../../src/otp/secret-encodings.js";

const refused = expect.objectContaining({ name: "PosternError", code: "otp_invalid" });

describe.each(secretEncodings)("a secret in %s", (encoding) => {
  it("is read back as it was written", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 128 }), (bytes) => {
        const text = encodeSecretAs(bytes, encoding);
        expect(decodeSecretAs(text, encoding, toolkitLimits.secretBytes)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("has the limits that are asked for, by default those of a server", () => {
    const of = (bytes: number) => encodeSecretAs(Buffer.alloc(bytes, 1), encoding);
    expect(decodeSecretAs(of(10), encoding)).toHaveLength(10);
    for (const bytes of [9, 129]) expect(() => decodeSecretAs(of(bytes), encoding)).toThrow(refused);
    expect(() => decodeSecretAs("", encoding, toolkitLimits.secretBytes)).toThrow(refused);
    expect(() => decodeSecretAs(of(100_000), encoding, toolkitLimits.secretBytes)).toThrow(refused);
  });

  it("is read or refused, whatever the text is, and one that is read has one value", () => {
    const text = fc.string({ unit: fc.constantFrom(..."aAbB27=+/- :0\u00e9\n"), maxLength: 40 });
    fc.assert(
      fc.property(text, (written) => {
        try {
          const secret = decodeSecretAs(written, encoding, toolkitLimits.secretBytes);
          expect(decodeSecretAs(encodeSecretAs(secret, encoding), encoding, toolkitLimits.secretBytes)).toEqual(secret);
        } catch (thrown) {
          expect(thrown).toEqual(refused);
        }
      }),
    );
  });
});

describe("beside base32", () => {
  it("hex may be grouped, in either case, and base64 without its padding", () => {
    const secret = Buffer.from("12345678901");
    expect(decodeSecretAs("31:32:33:34 35-36 373839 3031", "hex")).toEqual(secret);
    expect(decodeSecretAs("aBcDeF0123456789abcd", "hex")).toEqual(Buffer.from("abcdef0123456789abcd", "hex"));
    expect(decodeSecretAs("MTIzNDU2Nzg5MDE=", "base64")).toEqual(secret);
    expect(decodeSecretAs("MTIzNDU2Nzg5MDE", "base64")).toEqual(secret);
  });

  it.each([
    ["hex", "an odd digit", "3132333435363738393"],
    ["hex", "a prefix", "0x3132333435363738393031"],
    ["base64", "left-over bits", "MTIzNDU2Nzg5MDF="],
    ["base64", "too much padding", "MTIzNDU2Nzg5MDE=="],
    ["base64", "the alphabet of URLs", "_-_-_-_-_-_-_-_-"],
    ["base64", "spaces", "MTIz NDU2 Nzg5 MDE="],
  ] as const)("%s with %s is refused", (encoding, _, text) => {
    expect(() => decodeSecretAs(text, encoding)).toThrow(refused);
  });
});
