import { describe, expect, it } from "vitest";
import { recordKey } from "../../packages/server/src/records/keys.js";
import { findSession, putSession, type Session } from "../../packages/server/src/records/session.js";
import { getSigningKeys, type SigningKeys } from "../../packages/server/src/records/signing-key.js";
import { verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import type { ServiceContext } from "../../packages/server/src/services/context.js";
import { LEAD_MS, ROTATE_AFTER_MS, TAIL_MS, TOKEN_LIFETIME } from "../../packages/server/src/services/key-schedule.js";
import {
  keepSigningKeys,
  listSigningKeys,
  replaceSigningKeys,
  rotateSigningKeys,
} from "../../packages/server/src/services/signing-keys.js";
import { mintToken as mint, publicKeySet } from "../../packages/server/src/services/tokens.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import { Cut, cuttable, rerunning } from "../../packages/server/test/barrier/support.js";
import { verifyToken } from "../../packages/server/test/support/verify-token.js";
import {
  auditRows,
  contextOf,
  DAY,
  HOUR,
  MINUTE,
  newLmdbStore,
  newStore,
  reopened,
  SECOND,
  startInProcess,
  type TestStore,
  temporaryDirectory,
} from "../support/in-process.js";
import { logIn, registered } from "../support/person.js";
import { WireClient } from "../support/wire-client.js";

type KeySet = Parameters<typeof verifyToken>[1];

const peer = { address: "127.0.0.1", client: "test" };

/** A person's session; `mintToken` here keeps it in use, whatever the clock does. */
async function longSession(store: TestStore): Promise<Session> {
  const server = await startInProcess(store);
  const alice = await registered(server);
  const client = await WireClient.open(server);
  const { session: id } = await logIn(client, alice, alice.code(server.clock));
  await client.close();
  const session = await store.barrier.read((tx) =>
    findSession(tx, alice.account as Session["account"], id as Session["id"]),
  );
  if (session === undefined) throw new Error("the session is not there");
  return session;
}

/** A token of a session that was used in this moment. */
async function mintToken(context: ServiceContext, by: typeof peer, session: Session): ReturnType<typeof mint> {
  const now = context.now();
  const used = { ...session, lastSeenAt: now, expiresAt: now + HOUR };
  await context.barrier.transact((tx) => putSession(tx, used));
  return mint(context, by, used);
}

const stored = async ({ barrier }: Pick<TestStore, "barrier">): Promise<SigningKeys> => {
  const keys = await barrier.read((tx) => getSigningKeys(tx));
  if (keys === undefined) throw new Error("there are no signing keys");
  return keys;
};

const keySet = async (context: ServiceContext) => (await publicKeySet(context)) as KeySet;
const kidOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;
const idsOf = async (context: ServiceContext) => (await listSigningKeys(context)).map(({ id }) => id);
const rotations = async ({ barrier }: TestStore) =>
  (await auditRows(barrier)).filter(({ event }) => event === "signing-key.rotate").map(({ reason }) => reason);

/** How a verifier with this key set judges a token at a time. */
const accepts = (token: string, keys: KeySet, now: number) =>
  verifyToken(token, keys, { issuer: "https://postern.test", audience: "postern", now });

describe("tokens over 100 days of unattended rotation", () => {
  it("verify with the key set of five minutes before, and with every one until they expire", async () => {
    const store = await newStore();
    const session = await longSession(store);
    const context = await contextOf(store);
    const step = TOKEN_LIFETIME * SECOND;
    const kids = new Set<string>();
    let waiting: { token: string; at: number } | undefined;
    let before = await keySet(context);
    let lately = 0;
    for (let steps = 0; steps < (100 * DAY) / step; steps++) {
      store.clock.advance(step);
      const now = store.clock.now();
      if (steps % 12 === 0 && (await keepSigningKeys(context)).rotated) lately = 12;
      const keys = await keySet(context);
      if (waiting !== undefined) await accepts(waiting.token, keys, waiting.at + step - SECOND);
      waiting = undefined;
      // Every five minutes after a rotation began, every three hours else.
      if (lately-- > 0 || steps % 36 === 0) {
        const { token } = await mintToken(context, peer, session);
        expect(await accepts(token, before, now)).toMatchObject({ sub: session.account });
        await accepts(token, keys, now);
        kids.add(kidOf(token));
        waiting = { token, at: now };
      }
      before = keys;
    }
    expect(kids.size).toBe(4);
    expect(await rotations(store)).toEqual(["age", "age", "age"]);
  });
});

describe("a rotation", () => {
  it("wipes the private part with the first token that the next key signs, and then removes the key", async () => {
    const store = await newStore();
    const session = await longSession(store);
    const context = await contextOf(store);
    const former = (await stored(store)).newest;
    const raw = () => store.barrier.read((tx) => tx.get(recordKey("signingKey")));
    expect((await raw())?.includes(former.privateKey)).toBe(true);
    await rotateSigningKeys(context);
    store.clock.advance(LEAD_MS - SECOND);
    expect(kidOf((await mintToken(context, peer, session)).token)).toBe(former.id);
    store.clock.advance(SECOND);
    expect(kidOf((await mintToken(context, peer, session)).token)).not.toBe(former.id);
    expect((await raw())?.includes(former.privateKey)).toBe(false);
    expect((await keySet(context)).keys.map(({ kid }) => kid)).toContain(former.id);
    store.clock.advance(TAIL_MS);
    expect((await keySet(context)).keys.map(({ kid }) => kid)).not.toContain(former.id);
    expect((await stored(store)).retired).toHaveLength(1);
    await keepSigningKeys(context);
    expect((await stored(store)).retired).toEqual([]);
  });

  it("that is under way is not begun anew, by whomever", async () => {
    const store = await newStore();
    const context = await contextOf(store);
    store.clock.advance(ROTATE_AFTER_MS);
    expect((await rotateSigningKeys(context)).rotated).toBe(true);
    expect((await rotateSigningKeys(context)).rotated).toBe(false);
    expect((await keepSigningKeys(context)).rotated).toBe(false);
    expect(await rotations(store)).toEqual(["operator"]);
  });

  it("is made at the start of a server that never runs for an hour", async () => {
    const store = await newStore();
    store.clock.advance(ROTATE_AFTER_MS);
    await (await startInProcess(store)).close();
    store.clock.advance(MINUTE);
    await (await startInProcess(store)).close();
    expect(await rotations(store)).toEqual(["age"]);
  });

  it("shows nobody a private part", async () => {
    const context = await contextOf(await newStore());
    const results = [await rotateSigningKeys(context), await listSigningKeys(context), await keySet(context)];
    expect(JSON.stringify(results)).not.toMatch(/private|"d":/i);
  });
});

describe("two processes on one store", () => {
  async function two(): Promise<[TestStore, ServiceContext, ServiceContext]> {
    const one = await newLmdbStore(await temporaryDirectory());
    return [one, await contextOf(one), await contextOf(await reopened(one))];
  }

  it("make one rotation of two at once, and agree on who signs", async () => {
    const [store, one, other] = await two();
    const session = await longSession(store);
    store.clock.advance(ROTATE_AFTER_MS);
    const both = await Promise.all([keepSigningKeys(one), keepSigningKeys(other), keepSigningKeys(one)]);
    expect(both.filter(({ rotated }) => rotated)).toHaveLength(1);
    expect(new Set(both.map(({ keys }) => JSON.stringify(keys))).size).toBe(1);
    for (let minute = 0; minute < 60; minute += 3) {
      const tokens = await Promise.all([one, other].map((context) => mintToken(context, peer, session)));
      expect(new Set(tokens.map(({ token }) => kidOf(token))).size).toBe(1);
      expect(await keySet(one)).toEqual(await keySet(other));
      store.clock.advance(3 * MINUTE);
    }
    expect(await rotations(store)).toEqual(["age"]);
  });

  it("whose transactions run twice, as on a conflict, make one rotation", async () => {
    const store = await newStore({ storage: rerunning(createMemoryStorage()) });
    const context = await contextOf(store);
    expect((await rotateSigningKeys(context)).rotated).toBe(true);
    expect(await idsOf(context)).toHaveLength(2);
    expect(await rotations(store)).toEqual(["operator"]);
  });

  it("that both replace all keys at once do it once", async () => {
    const [store, one, other] = await two();
    const seen = await idsOf(one);
    const both = await Promise.all([replaceSigningKeys(one, seen), replaceSigningKeys(other, seen)]);
    expect(both.map(({ rotated }) => rotated).sort()).toEqual([false, true]);
    expect(await rotations(store)).toEqual(["at_once"]);
  });
});

describe("replacing all keys after a theft", () => {
  it("leaves none of them, whatever rotation was under way, and signs at once", async () => {
    const store = await newStore();
    const session = await longSession(store);
    const context = await contextOf(store);
    const { token: stolen } = await mintToken(context, peer, session);
    await rotateSigningKeys(context);
    const seen = await idsOf(context);
    expect(seen).toHaveLength(2);
    expect(await replaceSigningKeys(context, seen)).toMatchObject({ rotated: true, keys: [{ state: "signs" }] });
    const keys = await keySet(context);
    await expect(accepts(stolen, keys, store.clock.now())).rejects.toThrow("no applicable key");
    const { token } = await mintToken(context, peer, session);
    await accepts(token, keys, store.clock.now());
    expect(await stored(store)).toMatchObject({ retired: [] });
    expect(await stored(store)).not.toHaveProperty("ending");
  });

  it("is not taken for done when the upkeep rotated since the operator looked", async () => {
    const store = await newStore();
    const context = await contextOf(store);
    const seen = await idsOf(context);
    store.clock.advance(ROTATE_AFTER_MS);
    await keepSigningKeys(context);
    expect((await replaceSigningKeys(context, seen)).rotated).toBe(true);
    const left = await idsOf(context);
    expect(left).toHaveLength(1);
    expect(seen).not.toContain(left[0]);
  });
});

describe("a crash", () => {
  it("at any step of a rotation leaves none of it or all of it, and the next try finds what is left to do", async () => {
    const ends: string[][] = [];
    for (let step = 1, cut = true; cut; step++) {
      const storage = cuttable(createMemoryStorage());
      const store = await newStore({ storage });
      const before = await stored(store);
      store.clock.advance(ROTATE_AFTER_MS);
      const context = await contextOf(store);
      storage.arm(step);
      cut = await keepSigningKeys(context).then(
        () => false,
        (thrown) => thrown instanceof Cut,
      );
      storage.arm(Number.POSITIVE_INFINITY);
      const left = await rotations(store);
      expect((await stored(store)).newest.id === before.newest.id).toBe(left.length === 0);
      if (left.length === 0) expect(await stored(store)).toEqual(before);
      await keepSigningKeys(context);
      expect(await rotations(store)).toEqual(["age"]);
      expect(await verifyTrail(store.barrier)).toMatchObject({ ok: true });
      ends.push(left as string[]);
    }
    expect(ends.filter((left) => left.length === 0).length).toBeGreaterThan(5);
    expect(ends.filter((left) => left.length === 1)).toHaveLength(2);
  });

  it("between the publishing of a key and its turn changes nothing of its times", async () => {
    const store = await newStore();
    const session = await longSession(store);
    const first = await contextOf(store);
    const [former] = await idsOf(first);
    const { keys } = await rotateSigningKeys(first);
    const next = keys.at(-1)?.id;
    for (const [after, signs] of [
      [LEAD_MS - SECOND, former],
      [SECOND, next],
      [HOUR, next],
    ] as const) {
      store.clock.advance(after);
      const later = await contextOf(await reopened(store));
      expect(kidOf((await mintToken(later, peer, session)).token)).toBe(signs);
    }
  });
});

describe("a clock that jumped", () => {
  it("a year ahead, rotated, and was corrected, leaves keys that sign, verify and are rotated in time", async () => {
    const store = await newStore();
    const session = await longSession(store);
    const context = await contextOf(store);
    for (const ahead of [MINUTE, 2 * HOUR]) {
      store.clock.advance(365 * DAY);
      expect((await keepSigningKeys(context)).rotated).toBe(true);
      store.clock.advance(ahead);
      await mintToken(context, peer, session);
      store.clock.advance(-365 * DAY);
      const { token } = await mintToken(context, peer, session);
      await accepts(token, await keySet(context), store.clock.now());
      store.clock.advance(LEAD_MS + TAIL_MS);
      expect(await idsOf(context)).toHaveLength(1);
      store.clock.advance(ROTATE_AFTER_MS);
      expect((await keepSigningKeys(context)).rotated).toBe(true);
      store.clock.advance(HOUR);
    }
  });

  it("back by years goes on signing with what is published", async () => {
    const store = await newStore();
    const context = await contextOf(store);
    await rotateSigningKeys(context);
    store.clock.advance(LEAD_MS);
    await keepSigningKeys(context);
    store.clock.advance(-700 * DAY);
    const session = await longSession(store);
    const { token } = await mintToken(context, peer, session);
    await accepts(token, await keySet(context), store.clock.now());
    expect((await keepSigningKeys(context)).rotated).toBe(false);
  });
});
