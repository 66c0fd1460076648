import { randomBytes } from "node:crypto";
import { fingerprintOf } from "@postern/shared/fingerprint";
import { SUCCESSORS_MAX, verifySuccessor } from "@postern/shared/successor";
import { Packr } from "msgpackr";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Barrier, createBarrier } from "../../src/barrier/barrier.js";
import { createIdentity, identityFingerprint } from "../../src/identity/identity-key.js";
import { issueLeaf } from "../../src/identity/leaf-certificate.js";
import { recordKey } from "../../src/records/keys.js";
import { auditTrail } from "../../src/services/audit-trail.js";
import { IdentityKeeper } from "../../src/services/identity-keeper.js";
import { currentIdentity, rotateIdentity, viewIdentity } from "../../src/services/server-identity.js";
import { initialiseStore, readSettings } from "../../src/services/store.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import { Cut, cheap, cuttable, open, password, rerunning } from "../barrier/support.js";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const DAY = 86_400_000;
const HOSTS = ["localhost", "auth.example"];

async function newStore(storage = createMemoryStorage()) {
  const barrier = await createBarrier(storage, password, cheap);
  onTestFinished(() => barrier.close());
  await initialiseStore(barrier, { now: () => NOW, random: randomBytes }, HOSTS);
  return { storage, barrier };
}

const shownBy = (barrier: Barrier, now = NOW) =>
  currentIdentity(barrier, { now: () => now, random: randomBytes }, HOSTS);

async function rotate(barrier: Barrier, { successor = true, now = NOW, seen = "" } = {}) {
  const { node } = await readSettings(barrier);
  const fingerprint = (seen || (await viewIdentity(barrier)).fingerprint) as `SHA256:${string}`;
  return rotateIdentity({ barrier, node, now: () => now, random: randomBytes }, { seen: fingerprint, successor });
}

async function rotations(barrier: Barrier) {
  const reasons: (string | undefined)[] = [];
  for await (const row of auditTrail(barrier, 100)) {
    if (!("damaged" in row) && row.event === "identity.rotate") reasons.push(row.reason);
  }
  return reasons;
}

describe("rotating the identity", () => {
  it("puts another one in its place, for which the old one vouches; the leaf is for the same hosts, by the new one", async () => {
    const { barrier } = await newStore();
    const before = await shownBy(barrier);
    const { rotated, identity } = await rotate(barrier, { now: NOW + DAY });
    const after = await shownBy(barrier, NOW + DAY);
    expect(rotated).toBe(true);
    expect(identity.fingerprint).toBe(identityFingerprint(after.identity));
    expect(identity.fingerprint).not.toBe(identityFingerprint(before.identity));
    expect(identity.leaf.hosts).toEqual(HOSTS);
    expect(identity.former).toEqual([
      {
        fingerprint: identityFingerprint(before.identity),
        createdAt: NOW,
        endedAt: NOW + DAY,
        successor: "published",
      },
    ]);
    const [statement, ...more] = after.successors;
    expect(more).toEqual([]);
    expect(statement && verifySuccessor(statement)).toBe(true);
    expect(statement).toMatchObject({ sequence: 1, time: (NOW + DAY) / 1000 });
    expect([statement?.from, statement?.to].map((spki) => spki && fingerprintOf(spki))).toEqual([
      identityFingerprint(before.identity),
      identity.fingerprint,
    ]);
    expect(await rotations(barrier)).toEqual(["successor"]);
  });

  it("destroys the old private key: the record has none but the new one's", async () => {
    const { barrier } = await newStore();
    const old = (await shownBy(barrier)).identity.privateKeyPkcs8;
    await rotate(barrier);
    const record = await barrier.read((tx) => tx.get(recordKey("identity")));
    expect(record?.includes(old.subarray(36, 68))).toBe(false);
    expect(record?.includes((await shownBy(barrier)).identity.privateKeyPkcs8)).toBe(true);
  });

  it("without a successor vouches for nothing, and cuts off what led here before", async () => {
    const { barrier } = await newStore();
    await rotate(barrier);
    await rotate(barrier, { successor: false });
    expect((await shownBy(barrier)).successors).toEqual([]);
    expect((await viewIdentity(barrier)).former.map(({ successor }) => successor)).toEqual(["none", "cut-off"]);
    await rotate(barrier);
    expect((await shownBy(barrier)).successors.map(({ sequence }) => sequence)).toEqual([3]);
    expect((await viewIdentity(barrier)).former.map(({ successor }) => successor)).toEqual([
      "published",
      "none",
      "cut-off",
    ]);
    expect(await rotations(barrier)).toEqual(["successor", "no_successor", "successor"]);
  });

  it("tells of as many as fit a line of the protocol, the newest first, each leading to the one before", async () => {
    const { barrier } = await newStore();
    for (let count = 0; count < SUCCESSORS_MAX + 1; count++) await rotate(barrier);
    const { successors } = await shownBy(barrier);
    expect(successors.map(({ sequence }) => sequence)).toEqual([7, 6, 5, 4, 3, 2]);
    expect(successors.every(verifySuccessor)).toBe(true);
    for (const [index, { from }] of successors.slice(0, -1).entries()) {
      expect(successors[index + 1]?.to.equals(from)).toBe(true);
    }
    expect((await viewIdentity(barrier)).former.at(-1)?.successor).toBe("cut-off");
  });

  it("by two at once happens once; and a transaction that runs again does it once", async () => {
    const { barrier } = await newStore(rerunning(createMemoryStorage()));
    const { fingerprint: seen } = await viewIdentity(barrier);
    const both = await Promise.all([rotate(barrier, { seen }), rotate(barrier, { seen })]);
    expect(both.map(({ rotated }) => rotated).sort()).toEqual([false, true]);
    expect(new Set(both.map(({ identity }) => identity.fingerprint)).size).toBe(1);
    expect((await viewIdentity(barrier)).former).toHaveLength(1);
    expect((await shownBy(barrier)).successors.every(verifySuccessor)).toBe(true);
  });

  it("cut at any step leaves the old identity with its key, or the new one with its audit record", async () => {
    const storage = cuttable(createMemoryStorage());
    const { barrier } = await newStore(storage);
    let before = await viewIdentity(barrier);
    for (let step = 1; ; step++) {
      storage.arm(step);
      const cut = await rotate(barrier).then(
        () => false,
        (thrown) => thrown instanceof Cut,
      );
      storage.arm(0);
      const after = await viewIdentity(barrier);
      expect(await rotations(barrier)).toHaveLength(after.former.length);
      expect((await shownBy(barrier, NOW + 70 * DAY)).successors).toHaveLength(after.former.length);
      if (!cut) break;
      if (after.fingerprint === before.fingerprint) expect(after.former).toEqual(before.former);
      before = after;
    }
  });
});

describe("a server that runs", () => {
  it("takes up what another process rotated or renewed, and nothing while there is nothing", async () => {
    const { storage, barrier } = await newStore();
    const other = await open(storage);
    onTestFinished(() => other.close());
    let now = NOW;
    const keeperOf = (each: Barrier) =>
      IdentityKeeper.open({ barrier: each, now: () => now, random: randomBytes, hosts: HOSTS });
    const [one, two] = [await keeperOf(barrier), await keeperOf(other)];
    expect([await one.takeUp(), await two.takeUp()]).toEqual([false, false]);
    const { identity } = await rotate(other);
    expect([await one.takeUp(), one.fingerprint]).toEqual([true, identity.fingerprint]);
    expect([await two.takeUp(), two.fingerprint]).toEqual([true, identity.fingerprint]);
    now += 61 * DAY;
    expect([await one.renew(), await two.takeUp()]).toEqual([true, true]);
    expect(one.current.leaf.certificateDer.equals(two.current.leaf.certificateDer)).toBe(true);
    expect(one.current.successors).toHaveLength(1);
  });
});

describe("the record of an identity", () => {
  let format1: Buffer;
  beforeAll(async () => {
    const identity = await createIdentity({ now: NOW });
    const leaf = await issueLeaf(identity, { hosts: HOSTS, now: NOW });
    const fields = {
      privateKey: identity.privateKeyPkcs8,
      certificate: identity.certificateDer,
      leaf: { privateKey: leaf.privateKeyPkcs8, certificate: leaf.certificateDer },
    };
    format1 = new Packr({ useRecords: false }).pack([1, fields]);
  });

  it("of the format before is read as that of a first identity, and can be rotated", async () => {
    const { barrier } = await newStore();
    await barrier.transact((tx) => tx.put(recordKey("identity"), format1));
    const before = await viewIdentity(barrier);
    expect([before.createdAt, before.former]).toEqual([NOW, []]);
    expect((await rotate(barrier)).identity.former).toMatchObject([{ fingerprint: before.fingerprint }]);
    expect((await shownBy(barrier)).successors).toMatchObject([{ sequence: 1 }]);
  });
});
