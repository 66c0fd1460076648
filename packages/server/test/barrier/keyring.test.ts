import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { Keyring } from "../../src/barrier/keyring.js";
import type { SecureBuffer } from "../../src/barrier/secure-buffer.js";
import { expectCode } from "./support.js";

const hexOf = (key: SecureBuffer | undefined) => key?.use((bytes) => bytes.toString("hex"));
const encodedOf = (ring: Keyring) => ring.encode().use((bytes) => Buffer.from(bytes));

describe("the keyring", () => {
  it("begins with term 1 and keys that are all different", () => {
    const ring = Keyring.create();
    expect(ring.terms).toEqual([1]);
    expect(ring.active.term).toBe(1);
    const keys = [ring.active.key, ring.nameIndexKey, ring.decoyKey, Keyring.create().active.key].map(hexOf);
    expect(new Set(keys).size).toBe(4);
    expect(ring.storeId).toMatch(/^[0-9a-f]{32}$/);
  });

  it("comes back from its bytes", () => {
    const ring = Keyring.create().withNewTerm().withNewTerm();
    const decoded = Keyring.decode(encodedOf(ring));
    expect(decoded.storeId).toBe(ring.storeId);
    expect(decoded.terms).toEqual([1, 2, 3]);
    expect(decoded.active.term).toBe(3);
    for (const term of ring.terms) expect(hexOf(decoded.key(term)?.key)).toBe(hexOf(ring.key(term)?.key));
    expect(hexOf(decoded.nameIndexKey)).toBe(hexOf(ring.nameIndexKey));
    expect(hexOf(decoded.decoyKey)).toBe(hexOf(ring.decoyKey));
  });

  it("is not changed by an edit, so that the old one lives on when saving fails", () => {
    const ring = Keyring.create();
    const before = encodedOf(ring);
    const more = ring.withNewTerm();
    const fewer = more.withoutTerms(new Set([1]));
    expect(encodedOf(ring)).toEqual(before);
    expect(more.terms).toEqual([1, 2]);
    expect(fewer.terms).toEqual([2]);
    expect(hexOf(fewer.key(2)?.key)).toBe(hexOf(more.key(2)?.key));
    expect(fewer.key(1)).toBeUndefined();
  });

  it("keeps what belongs to no term through every edit, and does not let the active term go", () => {
    const ring = Keyring.create();
    const edited = ring.withNewTerm().withoutTerms(new Set([1, 2]));
    expect(edited.terms).toEqual([2]);
    expect(hexOf(edited.nameIndexKey)).toBe(hexOf(ring.nameIndexKey));
    expect(hexOf(edited.decoyKey)).toBe(hexOf(ring.decoyKey));
    expect(edited.storeId).toBe(ring.storeId);
  });

  it("never numbers a new term as one that was dropped", () => {
    const ring = Keyring.create()
      .withNewTerm()
      .withoutTerms(new Set([1]))
      .withNewTerm();
    expect(ring.terms).toEqual([2, 3]);
  });

  it("is read strictly", () => {
    const good = encodedOf(Keyring.create().withNewTerm());
    const edited = (edit: (bytes: Buffer) => void) => {
      const copy = Buffer.from(good);
      edit(copy);
      return copy;
    };
    const bad = [
      Buffer.alloc(0),
      good.subarray(0, 81),
      good.subarray(0, good.length - 1),
      Buffer.concat([good, Buffer.alloc(1)]),
      edited((bytes) => bytes.writeUInt8(2, 0)),
      edited((bytes) => bytes.writeUInt32BE(0, 81)),
      edited((bytes) => bytes.writeUInt32BE(2, 81)),
      edited((bytes) => bytes.writeUInt32BE(9, 81)),
    ];
    for (const bytes of bad) expectCode(() => Keyring.decode(bytes), "store_damaged");
    expect(Keyring.decode(good).terms).toEqual([1, 2]);
  });

  it("shows no key when printed", () => {
    const ring = Keyring.create();
    const shown = inspect(ring, { depth: 9, showHidden: true }) + JSON.stringify(ring);
    for (const key of [ring.nameIndexKey, ring.decoyKey, ring.active.key]) expect(shown).not.toContain(hexOf(key));
    expect(shown).toContain("[secret]");
  });

  it("has no key left once wiped", () => {
    const ring = Keyring.create().withNewTerm();
    const keys = [ring.nameIndexKey, ring.decoyKey, ring.key(1)?.key, ring.key(2)?.key];
    ring.wipe();
    for (const key of keys) expectCode(() => hexOf(key), "bug");
  });
});
