import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { SPKI_BYTES, type SuccessorStatement, signSuccessor, verifySuccessor } from "../src/successor.js";

function newKey(namedCurve = "P-256") {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
  return { privateKey, spki: publicKey.export({ type: "spki", format: "der" }) };
}

const [old, next, stranger] = [newKey(), newKey(), newKey()];
const unsigned = { from: old.spki, to: next.spki, sequence: 3, time: 1_795_241_730 };
const statement = signSuccessor(old.privateKey, unsigned);

describe("successor statement", () => {
  it("holds when the old key has signed it, and keys have the length that the protocol states", () => {
    expect(verifySuccessor(statement)).toBe(true);
    expect([old.spki.length, statement.signature.length]).toEqual([SPKI_BYTES, 64]);
  });

  const flipped = (bytes: Buffer, at = bytes.length - 1) => {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    return changed;
  };
  it.each<[string, Partial<SuccessorStatement>]>([
    ["another sequence", { sequence: 4 }],
    ["another time", { time: unsigned.time + 1 }],
    ["another successor", { to: stranger.spki }],
    ["another signer", { from: stranger.spki }],
    ["its keys turned around", { from: next.spki, to: old.spki }],
    ["a changed signature", { signature: flipped(statement.signature) }],
    ["no signature", { signature: Buffer.alloc(0) }],
    ["a signature of zeros", { signature: Buffer.alloc(64) }],
    ["a successor that is no point of the curve", { to: flipped(next.spki) }],
    ["a signer that is no key", { from: Buffer.alloc(SPKI_BYTES) }],
  ])("attack 59: with %s it does not", (_name, change) => {
    expect(verifySuccessor({ ...statement, ...change })).toBe(false);
  });

  it("attack 59: signed by a key that is none of an identity's, or by the successor itself, does not hold", () => {
    const p384 = newKey("P-384");
    expect(verifySuccessor(signSuccessor(p384.privateKey, { ...unsigned, from: p384.spki }))).toBe(false);
    expect(verifySuccessor(signSuccessor(old.privateKey, { ...unsigned, to: p384.spki }))).toBe(false);
    expect(verifySuccessor(signSuccessor(next.privateKey, unsigned))).toBe(false);
  });

  it("has a label of its own: a signature over the same fields alone is none", () => {
    const fields = Buffer.concat([unsigned.from, unsigned.to]);
    const key = createPrivateKey(old.privateKey.export({ type: "pkcs8", format: "pem" }));
    const signature = sign("sha256", fields, { key, dsaEncoding: "ieee-p1363" });
    expect(verifySuccessor({ ...statement, signature })).toBe(false);
  });
});
