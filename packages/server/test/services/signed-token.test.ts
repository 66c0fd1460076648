import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isSignedBy, parseSignedToken } from "../../src/services/signed-token.js";

const keys = generateKeyPairSync("ed25519");
const bytesOf = (key: KeyObject) => Buffer.from(String(key.export({ format: "jwk" }).x), "base64url");
const hex = "0123456789abcdef".repeat(2);
const header = { alg: "EdDSA", typ: "JWT", kid: `key_${hex}` };
const claims = { iss: "https://a", aud: "wiki", sub: `acc_${hex}`, sid: `ses_${hex}`, iat: 1_000, exp: 1_300 };

const encode = (text: string | Buffer) => Buffer.from(text).toString("base64url");
const signedText = (head: string, payload: string) => {
  const signed = `${encode(head)}.${encode(payload)}`;
  return `${signed}.${encode(sign(null, Buffer.from(signed), keys.privateKey))}`;
};
const tokenOf = (head: object = header, payload: object = claims) =>
  signedText(JSON.stringify(head), JSON.stringify(payload));

describe("a signed token", () => {
  it("is taken apart, and verifies by the key that signed it alone", () => {
    const token = parseSignedToken(tokenOf(header, { ...claims, amr: ["pwd"], preferred_username: "alice" }));
    expect(token).toMatchObject({ kid: header.kid, claims });
    const others = generateKeyPairSync("ed25519");
    expect(token && isSignedBy(token, bytesOf(keys.publicKey))).toBe(true);
    expect(token && isSignedBy(token, bytesOf(others.publicKey))).toBe(false);
  });

  it.each([
    ["alg none", { ...header, alg: "none" }],
    ["another algorithm", { ...header, alg: "HS256" }],
    ["an algorithm in other letters", { ...header, alg: "eddsa" }],
    ["the algorithm's later name", { ...header, alg: "Ed25519" }],
    ["no type", { alg: "EdDSA", kid: header.kid }],
    ["another type", { ...header, typ: "at+jwt" }],
    ["no key id", { alg: "EdDSA", typ: "JWT" }],
    ["a path for a key id", { ...header, kid: "../../dev/null" }],
    ["a key that it brings along", { ...header, jwk: keys.publicKey.export({ format: "jwk" }) }],
    ["an address to fetch keys from", { ...header, jku: "https://evil.test/keys" }],
    ["an extension to be understood", { ...header, crit: ["b64"], b64: false }],
  ])("with %s in its header is none of ours", (_case, head) => {
    expect(parseSignedToken(tokenOf(head))).toBeUndefined();
  });

  it.each([
    ["no end", { ...claims, exp: undefined }],
    ["an end as a text", { ...claims, exp: "1300" }],
    ["a session of no form", { ...claims, sid: "ses_1" }],
    ["an account as a list", { ...claims, sub: [claims.sub] }],
    ["several audiences", { ...claims, aud: ["wiki", "mail"] }],
    ["no issuer", { ...claims, iss: null }],
  ])("with %s among its claims is none of ours", (_case, payload) => {
    expect(parseSignedToken(tokenOf(header, payload))).toBeUndefined();
  });

  it("that names a claim twice, in bytes that are no UTF-8, or 900 levels deep is none of ours", () => {
    const text = JSON.stringify(claims);
    const twice = `${text.slice(0, -1)},"aud":"mail"}`;
    const deep = `{"a":${"[".repeat(900)}${"]".repeat(900)}}`;
    for (const payload of [twice, deep, `${text} `.repeat(2), "null", "[]", ""]) {
      expect(parseSignedToken(signedText(JSON.stringify(header), payload)), payload.slice(0, 40)).toBeUndefined();
    }
    const notUtf8 = `${encode(JSON.stringify(header))}.${encode(Buffer.from([0x7b, 0xff, 0x7d]))}.${encode(Buffer.alloc(64))}`;
    expect(parseSignedToken(notUtf8)).toBeUndefined();
  });

  it("has one text: with unused bits set, padding, other letters of base64 or white space it is none of ours", () => {
    const token = tokenOf();
    const [head = "", payload = "", signature = ""] = token.split(".");
    const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = digits.indexOf(signature.at(-1) ?? "");
    const sameBytes = `${signature.slice(0, -1)}${digits[last ^ 1]}`;
    expect(Buffer.from(sameBytes, "base64url")).toEqual(Buffer.from(signature, "base64url"));
    const others = [
      `${head}.${payload}.${sameBytes}`,
      `${token}=`,
      `${token}==`,
      `${token}\n`,
      ` ${token}`,
      `${head}.${payload}.${Buffer.from(signature, "base64url").toString("base64").replaceAll("=", "")}+/`,
      `${head}.${payload}`,
      `${token}.`,
      `${token}.${signature}`,
      `.${payload}.${signature}`,
      `${head}.${payload}.${encode(Buffer.concat([Buffer.from(signature, "base64url"), Buffer.of(0)]))}`,
    ];
    for (const text of others) expect(parseSignedToken(text), text).toBeUndefined();
  });

  it("longer than any that this server makes is not looked into", () => {
    expect(parseSignedToken(tokenOf(header, { ...claims, aud: "ä".repeat(256) }))).toBeDefined();
    expect(parseSignedToken(tokenOf(header, { ...claims, more: "x".repeat(4096) }))).toBeUndefined();
    expect(parseSignedToken(".".repeat(10_000_000))).toBeUndefined();
  });

  it("whatever the text is, it is answered and not thrown at", () => {
    const part = fc.oneof(
      fc.string(),
      fc.json().map(encode),
      fc.uint8Array().map((bytes) => encode(Buffer.from(bytes))),
    );
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join(".")),
      fc.json().map((payload) => signedText(JSON.stringify(header), payload)),
    );
    fc.assert(
      fc.property(texts, (text) => parseSignedToken(text) === undefined),
      { numRuns: 50 },
    );
  });
});
