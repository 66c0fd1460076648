import { randomBytes } from "node:crypto";
import { newId } from "@postern/shared/ids";
import { describe, expect, it, onTestFinished } from "vitest";
import { createBarrier } from "../../src/barrier/barrier.js";
import { type Account, putAccount } from "../../src/records/account.js";
import { untouchedBudget } from "../../src/records/budget.js";
import { deleteSession, putSession, type Session } from "../../src/records/session.js";
import type { ServiceContext } from "../../src/services/context.js";
import { introspectToken } from "../../src/services/introspection.js";
import { LEAD_MS, TAIL_MS, TOKEN_LIFETIME } from "../../src/services/key-schedule.js";
import { sessionLimits } from "../../src/services/live-session.js";
import { listSigningKeys, replaceSigningKeys, rotateSigningKeys } from "../../src/services/signing-keys.js";
import { initialiseStore, readSettings } from "../../src/services/store.js";
import { mintToken } from "../../src/services/tokens.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import { cheap, password } from "../barrier/support.js";
import { some } from "../records/support.js";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const peer = { address: "127.0.0.1", client: "test" };
const ISSUER = "https://auth.example.org";

interface Scene {
  readonly context: ServiceContext;
  readonly session: Session;
  readonly account: Account;
  /** Moves the clock, in milliseconds. */
  wait(ms: number): void;
  store(session: Session): Promise<void>;
  storeAccount(account: Account): Promise<void>;
  mint(audience?: string): Promise<string>;
}

async function scene(): Promise<Scene> {
  const barrier = await createBarrier(createMemoryStorage(), password, cheap);
  onTestFinished(() => barrier.close());
  let time = NOW;
  const now = () => time;
  await initialiseStore(barrier, { now, random: randomBytes }, ["localhost"]);
  const { node } = await readSettings(barrier);
  const context = { barrier, node, now, random: randomBytes, registration: "open", issuer: () => ISSUER } as const;
  const account: Account = {
    id: newId("account"),
    verifier: some(256),
    stretch: 1,
    passwordVersion: 0,
    identity: "alice",
    createdAt: NOW,
    factors: [totp],
    recovery: [],
    codeBudget: untouchedBudget,
  };
  const session: Session = {
    id: newId("session"),
    account: account.id,
    identity: "alice",
    secretHash: some(32),
    authenticatedAt: NOW - 60_000,
    verifiedAt: NOW - 60_000,
    lastSeenAt: NOW,
    expiresAt: NOW + sessionLimits.absoluteMs,
    amr: ["pwd", "otp", "mfa"],
    address: "127.0.0.1",
    client: "test",
  };
  const store = (changed: Session) => barrier.transact((tx) => putSession(tx, changed));
  const storeAccount = (changed: Account) =>
    barrier.transact((tx) => putAccount(tx, barrier.nameIndex(changed.identity), changed));
  await store(session);
  await storeAccount(account);
  return {
    context,
    session,
    account,
    wait: (ms) => {
      time += ms;
    },
    store,
    storeAccount,
    mint: async (audience) => (await mintToken(context, peer, session, audience)).token,
  };
}

const totp = {
  kind: "totp",
  id: newId("factor"),
  label: "authenticator",
  secret: some(20),
  algorithm: "SHA1",
  digits: 6,
  createdAt: NOW,
  period: 30,
  lastStep: 60_000_000,
} as const;

describe("introspection", () => {
  it("tells whom a live token speaks of, as the store knows the session", async () => {
    const { context, session, mint } = await scene();
    const token = await mint("wiki");
    const facts = {
      account: session.account,
      id: session.id,
      identity: "alice",
      amr: ["pwd", "otp", "mfa"],
      issuer: ISSUER,
      audience: "wiki",
      authTime: NOW / 1000 - 60,
      issuedAt: NOW / 1000,
      expiresAt: NOW / 1000 + TOKEN_LIFETIME,
    };
    expect(await introspectToken(context, token)).toEqual(facts);
    expect(await introspectToken(context, token, { audience: "wiki" })).toEqual(facts);
  });

  it("is for the audience that is named, to the letter", async () => {
    const { context, mint } = await scene();
    const token = await mint("wiki");
    for (const audience of ["mail", "Wiki", "wiki ", "", "wik", "wiki,mail"]) {
      expect(await introspectToken(context, token, { audience }), audience).toBeUndefined();
    }
    expect(await introspectToken(context, await mint(), { audience: "postern" })).toBeDefined();
  });

  it("is over when the token's five minutes are, to the second, and cannot be before the clock that dated it", async () => {
    const { context, mint, wait } = await scene();
    const token = await mint();
    wait(TOKEN_LIFETIME * 1000 - 1);
    expect(await introspectToken(context, token)).toBeDefined();
    wait(1);
    expect(await introspectToken(context, token)).toBeUndefined();
    wait(-TOKEN_LIFETIME * 1000 - 61_000);
    expect(await introspectToken(context, token)).toBeUndefined();
    wait(1_000);
    expect(await introspectToken(context, token)).toBeDefined();
  });

  it("goes by the issuer: a token from before the server got another public address is worth nothing", async () => {
    const { context, mint } = await scene();
    const token = await mint();
    expect(await introspectToken({ ...context, issuer: () => "https://other.test" }, token)).toBeUndefined();
  });

  it("takes a key's tokens while the key is published, through a rotation, and none once all were replaced", async () => {
    const { context, mint, wait, store, session } = await scene();
    await rotateSigningKeys(context);
    wait(LEAD_MS - 1000);
    const used = { ...session, lastSeenAt: context.now() };
    await store(used);
    const token = await mint();
    wait(2000);
    const next = await mint();
    for (const text of [token, next]) expect(await introspectToken(context, text)).toBeDefined();
    await replaceSigningKeys(
      context,
      (await listSigningKeys(context)).map(({ id }) => id),
    );
    for (const text of [token, next]) expect(await introspectToken(context, text)).toBeUndefined();
    expect(await introspectToken(context, await mint())).toBeDefined();
    expect(TAIL_MS).toBeGreaterThan(TOKEN_LIFETIME * 1000);
  });

  it("ends with the session: deleted, idle, over, or with an account that is disabled or is another one by now", async () => {
    const { context, session, account, mint, store, storeAccount } = await scene();
    const token = await mint();
    const live = async () => (await introspectToken(context, token)) !== undefined;
    await store({ ...session, lastSeenAt: NOW - sessionLimits.idleMs });
    expect(await live()).toBe(false);
    await store({ ...session, expiresAt: NOW });
    expect(await live()).toBe(false);
    await store(session);
    expect(await live()).toBe(true);
    await storeAccount({ ...account, disabledAt: NOW });
    expect(await live()).toBe(false);
    await storeAccount({ ...account, id: newId("account") });
    expect(await live()).toBe(false);
    await storeAccount(account);
    expect(await live()).toBe(true);
    await context.barrier.transact((tx) => deleteSession(tx, session));
    expect(await live()).toBe(false);
  });

  it("says that a token ends with its session, where that comes first", async () => {
    const { context, session, mint, store } = await scene();
    const token = await mint();
    await store({ ...session, expiresAt: NOW + 5_500 });
    expect(await introspectToken(context, token)).toMatchObject({ expiresAt: NOW / 1000 + 5 });
  });

  it("is one snapshot, and no use of the session", async () => {
    const { context, mint } = await scene();
    const token = await mint();
    const { barrier } = context;
    let reads = 0;
    const watched: ServiceContext["barrier"] = Object.assign(Object.create(barrier), {
      nameIndex: (identity: string) => barrier.nameIndex(identity),
      transact: () => expect.unreachable("a transaction"),
      read: (fn: Parameters<typeof barrier.read>[0]) => {
        reads += 1;
        return barrier.read(fn);
      },
    });
    expect(await introspectToken({ ...context, barrier: watched }, token)).toBeDefined();
    expect(reads).toBe(1);
    expect(await introspectToken({ ...context, barrier: watched }, `${token}x`)).toBeUndefined();
    expect(reads).toBe(1);
  });
});
