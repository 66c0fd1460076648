import { randomBytes } from "node:crypto";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import type { Barrier } from "../../src/barrier/barrier.js";
import { recordKey } from "../../src/records/keys.js";
import { getSigningKeys, putSigningKeys } from "../../src/records/signing-key.js";
import { codeOf, newStore } from "../barrier/support.js";

const packr = new Packr({ useRecords: false, mapsAsObjects: true });
const key = () => ({
  id: `key_${randomBytes(16).toString("hex")}` as const,
  publicKey: randomBytes(32),
  privateKey: randomBytes(48),
  createdAt: 1_790_000_000_000,
});

/** What a store gives for this record, as bytes of MessagePack. */
async function read(record: unknown) {
  const { barrier } = await newStore();
  await barrier.transact((tx) => tx.put(recordKey("signingKey"), packr.pack(record)));
  return stored(barrier);
}

const stored = (barrier: Barrier) => barrier.read((tx) => getSigningKeys(tx));

describe("the signing-key record", () => {
  it("of format 1 is read: its key signs since it was made, and has no end", async () => {
    const former = key();
    expect(await read([1, { keys: [former] }])).toEqual({
      newest: { ...former, signsFrom: former.createdAt },
      retired: [],
    });
  });

  it.each([
    ["without a key", [1, { keys: [] }]],
    ["whose key has no private part", [1, { keys: [{ ...key(), privateKey: undefined }] }]],
    ["with fields of a later one", [1, { keys: [{ ...key(), signsFrom: 0 }] }]],
    ["that is no object", [1, null]],
  ])("of format 1 %s is a damaged store", async (_what, record) => {
    expect(await codeOf(read(record))).toBe("store_damaged");
  });

  it.each([
    ["without a newest key", [2, { retired: [] }], "store_damaged"],
    [
      "whose newest key cannot sign",
      [2, { newest: { ...key(), privateKey: undefined, signsFrom: 0 }, retired: [] }],
      "store_damaged",
    ],
    [
      "with a private part on a key that has ended",
      [2, { newest: { ...key(), signsFrom: 0 }, retired: [{ ...key(), signsFrom: 0, signsUntil: 1, retiresAt: 2 }] }],
      "store_damaged",
    ],
    ["of format 3", [3, { newest: { ...key(), signsFrom: 0 }, retired: [] }], "store_future"],
  ])("%s is refused", async (_what, record, code) => {
    expect(await codeOf(read(record))).toBe(code);
  });

  it("comes back as it was put", async () => {
    const { barrier } = await newStore();
    const ends = { signsFrom: 1, signsUntil: 2, retiresAt: 3 };
    const { privateKey: _wiped, ...retired } = { ...key(), ...ends };
    const keys = { newest: { ...key(), signsFrom: 2 }, ending: { ...key(), ...ends }, retired: [retired] };
    await barrier.transact((tx) => putSigningKeys(tx, keys));
    expect(await stored(barrier)).toEqual(keys);
  });
});
