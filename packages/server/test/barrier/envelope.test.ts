import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ENVELOPE_OVERHEAD,
  openEnvelope,
  type Place,
  plaintextLength,
  sealEnvelope,
  termOf,
} from "../../src/barrier/envelope.js";
import { SecureBuffer } from "../../src/barrier/secure-buffer.js";

const sealing = { term: 7, key: SecureBuffer.random(32, "readonly") };
const place: Place = { domain: "postern record", storageKey: Buffer.from("\u0001here") };
const text = Buffer.from("JBSWY3DPEHPK3PXP");

describe("an envelope", () => {
  it("gives back what was sealed at its place, of any length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.uint8Array({ minLength: 1, maxLength: 512 }), (bytes, key) => {
        const there = { ...place, storageKey: key };
        const envelope = sealEnvelope(sealing, there, bytes);
        expect(envelope).toHaveLength(bytes.length + ENVELOPE_OVERHEAD);
        expect(plaintextLength(envelope)).toBe(bytes.length);
        expect(termOf(envelope)).toBe(7);
        expect(openEnvelope(sealing, there, envelope)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("is never the same twice", () => {
    const seen = new Set(Array.from({ length: 1000 }, () => sealEnvelope(sealing, place, text).toString("hex", 5, 29)));
    expect(seen.size).toBe(1000);
  });

  it("does not open when any one bit was flipped", () => {
    const envelope = sealEnvelope(sealing, place, text);
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      const flipped = Buffer.from(envelope);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(openEnvelope(sealing, place, flipped), `bit ${bit}`).toBeUndefined();
    }
  });

  it("does not open when cut or continued", () => {
    const envelope = sealEnvelope(sealing, place, text);
    for (let length = 0; length < envelope.length; length++) {
      expect(openEnvelope(sealing, place, envelope.subarray(0, length))).toBeUndefined();
    }
    expect(openEnvelope(sealing, place, Buffer.concat([envelope, Buffer.alloc(1)]))).toBeUndefined();
  });

  it("attack 39: does not open at another key, in another domain, or under another term or key", () => {
    const envelope = sealEnvelope(sealing, place, text);
    const elsewhere = { ...place, storageKey: Buffer.from("\u0001her") };
    expect(openEnvelope(sealing, elsewhere, envelope)).toBeUndefined();
    expect(openEnvelope(sealing, { ...place, domain: "postern keyring" }, envelope)).toBeUndefined();
    expect(openEnvelope({ ...sealing, term: 8 }, place, envelope)).toBeUndefined();
    expect(openEnvelope({ term: 7, key: SecureBuffer.random(32, "readonly") }, place, envelope)).toBeUndefined();
    expect(openEnvelope(sealing, place, envelope)).toEqual(text);
  });

  it("binds its term: the same key under another number is another term", () => {
    const envelope = sealEnvelope(sealing, place, text);
    envelope.writeUInt32BE(8, 1);
    expect(openEnvelope({ ...sealing, term: 8 }, place, envelope)).toBeUndefined();
  });

  it("survives any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, headed) => {
        const envelope = Buffer.concat([headed ? Buffer.from([1, 0, 0, 0, 7]) : Buffer.alloc(0), bytes]);
        expect(openEnvelope(sealing, place, envelope)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });
});
