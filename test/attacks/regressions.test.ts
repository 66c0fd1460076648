import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { PosternError } from "@postern/shared/errors";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { prefixes } from "../../packages/server/src/records/keys.js";
import { startServer } from "../../packages/server/src/server.js";
import { auditTrail } from "../../packages/server/src/services/audit-trail.js";
import { type Grant, sweepSessions } from "../../packages/server/src/services/sessions.js";
import { sweepStrangerCounters } from "../../packages/server/src/services/stranger-counters.js";
import { mintToken, publicKeySet } from "../../packages/server/src/services/tokens.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import type { Storage } from "../../packages/server/src/storage/storage.js";
import { verifyToken } from "../../packages/server/test/support/verify-token.js";
import { eventually } from "../support/eventually.js";
import { ask } from "../support/https.js";
import {
  auditRows,
  CapturedLog,
  DAY,
  HOUR,
  MINUTE,
  newStore,
  SECOND,
  startInProcess,
  type TestServer,
  type TestStore,
} from "../support/in-process.js";
import {
  awaitingCode,
  guessedProof,
  guessPassword,
  logIn,
  type Person,
  proofOf,
  provePassword,
  registered,
  sessionOf,
  startLogin,
  tryCode,
} from "../support/person.js";
import { codeOf, connectRaw, gone, handshake, hello, requestLine, WireClient } from "../support/wire-client.js";

/** What a hostile review of the server found, one test for each way in, so that none comes back. */

/** What a test makes of the durable writes: they begin when `before` has resolved, and fail when it rejects. */
interface Writes {
  before: () => Promise<void>;
}

const atOnce = async () => {};

const failing = async () => {
  throw new PosternError("store_failed", { detail: "no space left on the device" });
};

/** A store whose writes a test can hold up. */
async function storeWithWrites(): Promise<{ store: TestStore; writes: Writes }> {
  const memory = createMemoryStorage();
  const writes: Writes = { before: atOnce };
  const storage: Storage = {
    read: (fn) => memory.read(fn),
    close: () => memory.close(),
    transact: async (fn) => {
      await writes.before();
      return memory.transact(fn);
    },
  };
  return { store: await newStore({ storage }), writes };
}

/** Holds all writes up from now on. `waiting` tells how many do; `release` lets them and all later ones go. */
function hold(writes: Writes): { waiting: (count: number) => Promise<void>; release: () => void } {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let held = 0;
  writes.before = () => {
    held += 1;
    return released;
  };
  return { waiting: (count) => eventually(() => held >= count), release };
}

const openHandles = (kind: string) => process.getActiveResourcesInfo().filter((name) => name === kind).length;

/** From now on the timers of the rules, not those of sockets, stand still until the test moves them. */
function holdTimers(...toFake: ("setTimeout" | "clearTimeout" | "setInterval" | "clearInterval")[]): void {
  vi.useFakeTimers({ toFake });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}

async function loggedIn(
  server: TestServer,
  alice: Person,
  offset = 0,
): Promise<{ client: WireClient; secret: string }> {
  const client = await WireClient.open(server);
  const { secret } = await logIn(client, alice, alice.code(server.clock, offset));
  return { client, secret };
}

async function resume(server: TestServer, secret: string): Promise<string> {
  const client = await WireClient.open(server);
  const outcome = await client.resumed(secret);
  await client.close();
  return outcome;
}

/** Where the storage has the records of a kind. */
async function storageKeys({ storage }: TestStore, kind: keyof typeof prefixes): Promise<Buffer[]> {
  const [from, to] = [Buffer.of(1, prefixes[kind]), Buffer.of(1, prefixes[kind] + 1)];
  return (await storage.read((tx) => tx.scan({ from, to }))).map(({ key }) => key);
}

async function getJson(server: TestServer, path: string): Promise<{ status: number; body: unknown }> {
  const { status, text } = await ask(server, path);
  return { status, body: JSON.parse(text) };
}

describe("attack 45: whoever can write the store", () => {
  it("and takes the head of the audit chain away stops the grants, and writes over nothing", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const entries = await storageKeys(server, "auditEntry");
    const before = await server.storage.read((tx) => Promise.all(entries.map((key) => tx.get(key))));
    const [key = Buffer.alloc(1)] = await storageKeys(server, "auditHead");
    const head = (await server.storage.read((tx) => tx.get(key))) ?? Buffer.alloc(0);
    await server.storage.transact((tx) => tx.delete(key));
    await expect(server.verifyAudit()).rejects.toMatchObject({ code: "audit_damaged" });
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("internal");
    expect(await server.storage.read((tx) => Promise.all(entries.map((key) => tx.get(key))))).toEqual(before);
    expect(await storageKeys(server, "session")).toEqual([]);
    await server.storage.transact((tx) => tx.put(key, head));
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
  });

  it("and damages one entry is found there; the others can still be listed", async () => {
    const server = await startInProcess();
    await registered(server);
    const length = (await server.audit()).length;
    const [, second = Buffer.alloc(1)] = await storageKeys(server, "auditEntry");
    await server.storage.transact(async (tx) => {
      const envelope = (await tx.get(second)) ?? Buffer.alloc(1);
      await tx.put(second, Buffer.concat([envelope.subarray(0, -1), Buffer.of((envelope.at(-1) ?? 0) ^ 1)]));
    });
    expect(await server.verifyAudit()).toMatchObject({ ok: false, firstBad: 1 });
    const listed: unknown[] = [];
    for await (const row of auditTrail(server.barrier, 100)) listed.push(row);
    expect(listed).toHaveLength(length);
    expect(listed[0]).toMatchObject({ index: 0, event: "store.create" });
    expect(listed[1]).toEqual({ node: "store", index: 1, damaged: true });
    expect(listed.at(-1)).toMatchObject({ event: "register" });
  });
});

describe("a start that fails leaves no port open", () => {
  const loopback = (port: number) => ({ host: "127.0.0.1", port, key: `127.0.0.1:${port}` });

  function start({ barrier, clock }: TestStore, port: number) {
    const options = { registration: "open", publicUrl: undefined, log: new CapturedLog(), now: clock.now } as const;
    return startServer({ ...options, barrier, listen: loopback(port), http: loopback(0) });
  }

  it("when its audit entry cannot be stored", async () => {
    const { store, writes } = await storeWithWrites();
    // The first start renews the leaf, so that the entry is all that the second one has to store.
    await (await start(store, 0)).close();
    await eventually(() => openHandles("TCPServerWrap") === 0);
    writes.before = failing;
    await expect(start(store, 0)).rejects.toMatchObject({ code: "store_failed" });
    await eventually(() => openHandles("TCPServerWrap") === 0);
  });

  it("when its wire port is taken and its HTTPS port is open already", async () => {
    const store = await newStore();
    const other = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    await expect(start(store, (other.address() as AddressInfo).port)).rejects.toMatchObject({ code: "address_in_use" });
    await eventually(() => openHandles("TCPServerWrap") === 1);
  });
});

describe("a clock that ran a year ahead while somebody guessed, and was set right", () => {
  it("locks nobody out by passwords", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    server.clock.advance(365 * DAY);
    for (let guess = 0; guess < 5; guess++) expect(codeOf(await guessPassword(client, "alice"))).toBe("login_failed");
    expect(codeOf(await guessPassword(client, "alice"))).toBe("throttled");
    server.clock.advance(-365 * DAY + HOUR);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
  });

  it("leaves no count of wrong passwords: four are free again, and it can be swept", async () => {
    const server = await startInProcess();
    const client = await WireClient.open(server);
    server.clock.advance(365 * DAY);
    for (const name of ["alice", "bob"]) {
      for (let guess = 0; guess < 5; guess++) await guessPassword(client, name);
    }
    server.clock.advance(-365 * DAY);
    for (let guess = 0; guess < 5; guess++) expect(codeOf(await guessPassword(client, "alice"))).toBe("login_failed");
    expect(codeOf(await guessPassword(client, "alice"))).toBe("throttled");
    expect(await sweepStrangerCounters(server.context)).toBe(1);
  });

  it("locks nobody out by codes", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    server.clock.advance(365 * DAY);
    for (let guess = 0; guess < 5; guess++) {
      expect(await tryCode(server, alice, alice.wrongCode(server.clock))).toBe("code_refused");
    }
    expect(await tryCode(server, alice, alice.wrongCode(server.clock))).toBe("throttled");
    server.clock.advance(-365 * DAY + HOUR);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
  });
});

describe("attack 52: seven strangers at eight places", () => {
  const crowded = async () => {
    const { store, writes } = await storeWithWrites();
    const server = await startInProcess(store, { limits: { unauthenticated: 8 } });
    return { server, writes, alice: await registered(server) };
  };
  const strangers = (server: TestServer, count: number) =>
    Promise.all(Array.from({ length: count }, () => WireClient.open(server)));
  const refused = async (client: WireClient) =>
    expect(await client.outcome("register.start", { name: " " })).toBe("name_invalid");

  it("do not take the one of a login that awaits its code, however new they are", async () => {
    const { server, alice } = await crowded();
    const honest = await WireClient.open(server);
    await provePassword(honest, alice);
    for (const stranger of await strangers(server, 7)) await refused(stranger);
    await WireClient.open(server);
    expect(await honest.outcome("login.code", { code: alice.code(server.clock) })).toBe("ok");
  });

  it("do not keep theirs by requests that are refused: the oldest of them goes", async () => {
    const { server, alice } = await crowded();
    const [oldest, ...others] = await strangers(server, 7);
    const honest = await WireClient.open(server);
    const challenge = await startLogin(honest, alice.name);
    for (const stranger of [oldest, ...others]) if (stranger !== undefined) await refused(stranger);
    await WireClient.open(server);
    const proof = proofOf(await sessionOf(challenge, alice), honest.exporter);
    expect(await honest.outcome("login.proof", proof)).toBe("ok");
    await oldest?.closed;
  });

  it("do not take the one of a login whose request is being worked on", async () => {
    const { server, writes } = await crowded();
    const honest = await WireClient.open(server);
    await startLogin(honest, "alice");
    const held = hold(writes);
    const reply = honest.outcome("login.proof", guessedProof());
    await held.waiting(1);
    const others = await strangers(server, 9);
    held.release();
    expect(await reply).toBe("login_failed");
    await others[0]?.closed;
  });
});

it("attack 52: more connections of sessions than there are places: the longest idle gives way", async () => {
  const server = await startInProcess(await newStore(), { limits: { authenticated: 2 } });
  const { client: first, secret } = await loggedIn(server, await registered(server));
  const second = await WireClient.open(server);
  await second.resume(secret);
  await first.ok("session.whoami", {});
  const third = await WireClient.open(server);
  await third.resume(secret);
  expect(await first.outcome("session.whoami", {})).toBe("ok");
  expect(await third.outcome("session.whoami", {})).toBe("ok");
  await second.closed;
});

describe("a deadline that passes while the store is slow", () => {
  async function slow(): Promise<{ server: TestServer; client: WireClient; alice: Person; writes: Writes }> {
    holdTimers("setTimeout", "clearTimeout");
    const { store, writes } = await storeWithWrites();
    const server = await startInProcess(store);
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    return { server, client, alice, writes };
  }

  /** Sends a code in time, and lets its step end before its transaction does. */
  async function late(client: WireClient, writes: Writes, code: string): Promise<string> {
    const held = hold(writes);
    const reply = client.outcome("login.code", { code });
    await held.waiting(1);
    vi.advanceTimersByTime(HOUR);
    held.release();
    return reply;
  }

  it("does not swallow the session of a right code: it is used up by then", async () => {
    const { server, client, alice, writes } = await slow();
    expect(await late(client, writes, alice.code(server.clock))).toBe("ok");
    expect(await client.outcome("session.whoami", {})).toBe("ok");
  });

  it("does not swallow a refusal; then the connection is closed, for its step is over", async () => {
    const { server, client, alice, writes } = await slow();
    expect(await late(client, writes, alice.wrongCode(server.clock))).toBe("code_refused");
    expect(codeOf(await client.reply())).toBe("step_timeout");
    await client.closed;
  });
});

it("attack 52: a socket at the HTTPS port that never begins a handshake is closed", async () => {
  const server = await startInProcess(await newStore(), { http: true });
  const silent = await connectRaw({ port: server.running.http?.port ?? 0 });
  await gone(silent);
  expect((await getJson(server, "/livez")).status).toBe(200);
  // It takes the 5 seconds of the handshake. Without a deadline of its own it would take the half minute of a request.
}, 25_000);

describe("a session whose end has come", () => {
  it("is not revived by a clock that is set back, once it is swept", async () => {
    const server = await startInProcess();
    const { secret } = await loggedIn(server, await registered(server));
    server.clock.advance(31 * MINUTE);
    expect(await sweepSessions(server.context)).toBe(1);
    server.clock.advance(-31 * MINUTE);
    expect(await resume(server, secret)).toBe("session_invalid");
  });

  it("is swept by the server itself, within an hour; one that lasts is not", async () => {
    holdTimers("setInterval", "clearInterval");
    const server = await startInProcess();
    const { secret: ended } = await loggedIn(server, await registered(server, "bob"));
    server.clock.advance(20 * MINUTE);
    const { secret } = await loggedIn(server, await registered(server));
    server.clock.advance(20 * MINUTE);
    expect(await storageKeys(server, "session")).toHaveLength(2);
    vi.advanceTimersByTime(HOUR);
    await eventually(async () => (await storageKeys(server, "session")).length === 1);
    expect(await resume(server, secret)).toBe("ok");
    expect(await resume(server, ended)).toBe("session_invalid");
    expect(server.log.errors).toEqual([]);
  });

  it("cannot be told when the clock was set back to before its login; five minutes are let pass", async () => {
    const server = await startInProcess();
    const { secret } = await loggedIn(server, await registered(server));
    server.clock.advance(-5 * MINUTE);
    expect(await resume(server, secret)).toBe("ok");
    server.clock.advance(-SECOND);
    expect(await resume(server, secret)).toBe("session_invalid");
  });
});

it("promise 14: a password that is typed as a name at login stands nowhere in the audit log", async () => {
  const server = await startInProcess();
  await registered(server);
  const client = await WireClient.open(server);
  for (const name of ["Tr0ub4dor-and-3", "someone", "tr0ub4dor-and-3", "alice"]) await guessPassword(client, name);
  const rows = (await server.audit()).filter(({ event }) => event === "login.password");
  const [password, someone, again, alice] = rows.map(({ personal }) => personal.name);
  expect(password).toMatch(/^unknown:[0-9a-f]{12}$/);
  expect(again).toBe(password);
  expect(someone).toMatch(/^unknown:[0-9a-f]{12}$/);
  expect(someone).not.toBe(password);
  expect(alice).toBe("alice");
  // Nobody can register as one, and so stand in the log as what was typed at another name.
  expect(await client.outcome("register.start", { name: password ?? "" })).toBe("name_invalid");
  expect(JSON.stringify(await server.audit()).toLowerCase()).not.toContain("tr0ub4dor");
});

it("two connections from one end to two addresses of the server are two", async () => {
  const { barrier, clock } = await newStore();
  const listen = { host: "0.0.0.0", port: 0, key: "0.0.0.0:0" };
  const options = { registration: "open", publicUrl: undefined, log: new CapturedLog(), now: clock.now } as const;
  const running = await startServer({ ...options, barrier, listen, http: undefined });
  onTestFinished(() => running.close());
  const { port } = running.listen;
  const one = await connectRaw({ port }, "127.0.0.9");
  const other = connect({ host: "127.0.0.2", port, localAddress: "127.0.0.9", localPort: one.localPort ?? 0 });
  onTestFinished(() => void other.destroy());
  await once(other, "connect");
  const clients = (await Promise.all([handshake(one), handshake(other)])).map((tls) => new WireClient(tls, tls));
  for (const client of clients) expect(codeOf(await client.call("hello", hello))).toBe("ok");
  await Promise.all(clients.map((client) => client.close()));
});

describe("the end of the service is the last entry of the audit log", () => {
  const told = (rows: readonly { event: string; reason?: string | undefined }[]) =>
    rows.map(({ event, reason }) => reason ?? event);

  it("behind the logins that it cut off", async () => {
    const server = await startInProcess();
    await awaitingCode(server, await registered(server), 3);
    await server.close();
    expect(told(await auditRows(server.barrier)).slice(-4)).toEqual(["no_code", "no_code", "no_code", "server.stop"]);
  });

  it("behind the logins whose clients had left, with a proof under way", async () => {
    const { store, writes } = await storeWithWrites();
    const server = await startInProcess(store);
    const alice = await registered(server);
    const sockets = openHandles("TCPSocketWrap");
    const clients = await Promise.all(Array.from({ length: 3 }, () => WireClient.open(server)));
    const held = hold(writes);
    for (const client of clients) {
      const proof = proofOf(await sessionOf(await startLogin(client, alice.name), alice), client.exporter);
      client.send(`${requestLine("login.proof", proof)}\n`);
    }
    await held.waiting(3);
    for (const client of clients) client.reset();
    await eventually(() => openHandles("TCPSocketWrap") <= sockets);
    const closed = server.close();
    // Where the end did not wait for the proofs, its entry is in front of what they lead to by now.
    await eventually(() => openHandles("TCPServerWrap") === 0);
    await new Promise((resolve) => setImmediate(resolve));
    held.release();
    await closed;
    expect(told(await auditRows(server.barrier)).slice(-4)).toEqual(["no_code", "no_code", "no_code", "server.stop"]);
  });
});

describe("the published keys", () => {
  it("have no private part, and verify the tokens", async () => {
    const server = await startInProcess(await newStore(), { http: true });
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const { session } = await logIn(client, alice, alice.code(server.clock));
    const { body } = await getJson(server, "/.well-known/jwks.json");
    expect(body).toEqual(await publicKeySet(server.context));
    const { keys } = body as Awaited<ReturnType<typeof publicKeySet>>;
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([["alg", "crv", "kid", "kty", "use", "x"]]);
    const known = { account: alice.account, id: session } as Pick<Grant["session"], "account" | "id">;
    const { token } = await mintToken(server.context, { address: "127.0.0.1", client: "test" }, known, "wiki");
    const expected = { issuer: server.context.issuer(), audience: "wiki", now: server.clock.now() };
    expect(await verifyToken(token, { keys: keys as never }, expected)).toMatchObject({ sub: alice.account });
  });
});

describe("/readyz", () => {
  it("fails while nothing can be stored, and not beyond", async () => {
    const { store, writes } = await storeWithWrites();
    const server = await startInProcess(store, { http: true });
    expect(await getJson(server, "/readyz")).toEqual({ status: 200, body: { status: "ready" } });
    writes.before = failing;
    server.clock.advance(SECOND);
    const { status, body } = await getJson(server, "/readyz");
    expect(status).toBe(503);
    expect(JSON.stringify(body)).not.toContain("device");
    expect((await getJson(server, "/livez")).status).toBe(200);
    writes.before = atOnce;
    server.clock.advance(SECOND);
    expect((await getJson(server, "/readyz")).status).toBe(200);
  });

  it("writes at most once a second, however many ask", async () => {
    const { store, writes } = await storeWithWrites();
    const server = await startInProcess(store, { http: true });
    let count = 0;
    writes.before = async () => {
      count += 1;
    };
    await Promise.all(Array.from({ length: 20 }, () => getJson(server, "/readyz")));
    server.clock.advance(SECOND - 1);
    expect((await getJson(server, "/readyz")).status).toBe(200);
    expect(count).toBe(1);
    server.clock.advance(1);
    await getJson(server, "/readyz");
    expect(count).toBe(2);
  });
});
