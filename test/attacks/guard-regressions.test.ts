import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { putErasure } from "../../packages/server/src/records/audit-erasure.js";
import { appendAudit } from "../../packages/server/src/records/audit-log.js";
import { untouchedBudget } from "../../packages/server/src/records/budget.js";
import { idBytes, recordKey, recordRange } from "../../packages/server/src/records/keys.js";
import { putStrangerCounter } from "../../packages/server/src/records/stranger-counter.js";
import { getStretchCensus } from "../../packages/server/src/records/stretch-census.js";
import { startServer } from "../../packages/server/src/server.js";
import { runErasures } from "../../packages/server/src/services/audit-erasure.js";
import { sweepSessions } from "../../packages/server/src/services/sessions.js";
import { sweepStrangerCounters } from "../../packages/server/src/services/stranger-counters.js";
import { countAccount, raiseStretch, readStretchCensus } from "../../packages/server/src/services/stretching.js";
import { entered } from "../support/entered.js";
import {
  auditRows,
  CapturedLog,
  contextOf,
  HOUR,
  newStore,
  SECOND,
  startInProcess,
  type TestStore,
} from "../support/in-process.js";
import { failCodes, guessedProof, logIn, Person, provePassword, register, registered } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

/** What a hostile review of the guard found, each as a case of its own. */

describe("erasure of the deleted", () => {
  it("walks the log once for many, and leaves those alone that have passed until nothing can follow", async () => {
    const store = await newStore();
    const context = await contextOf(store);
    let transactions = 0;
    const counted = {
      ...context,
      barrier: {
        ...store.barrier,
        nameIndex: (name: string) => store.barrier.nameIndex(name),
        read: <T>(fn: Parameters<typeof store.barrier.read<T>>[0]) => store.barrier.read(fn),
        transact: <T>(fn: Parameters<typeof store.barrier.transact<T>>[0]) => {
          transactions += 1;
          return store.barrier.transact(fn);
        },
      },
    };
    await store.barrier.transact(async (tx) => {
      for (let person = 0; person < 40; person++) await putErasure(tx, `acc_${randomBytes(16).toString("hex")}`);
    });
    await runErasures(counted);
    expect(transactions).toBeLessThan(5);
    transactions = 0;
    await runErasures(counted);
    expect(transactions).toBe(0);
    store.clock.advance(2 * HOUR);
    await runErasures(counted);
    expect(transactions).toBeLessThan(5);
    expect((await auditRows(store.barrier)).filter(({ event }) => event === "audit.erase")).toHaveLength(40);
  });

  it("takes what stood under the name's pseudonym before there was an account", async () => {
    const server = await startInProcess();
    const client = await WireClient.open(server);
    await client.ok("login.start", { name: "carol", A: "ab".repeat(256) });
    await client.call("login.proof", guessedProof());
    const carol = await register(client, new Person("carol"), server);
    await logIn(client, carol, carol.code(server.clock));
    await client.ok("account.delete", { code: carol.code(server.clock, 1) });
    const personal = async () =>
      (await server.audit()).filter((row) => Object.keys(row.personal).length > 0).map(({ reason }) => reason);
    await runErasures(server.context);
    expect(await personal()).toEqual(["unknown_name"]);
    server.clock.advance(2 * HOUR);
    await runErasures(server.context);
    expect(await personal()).toEqual([]);
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
  });

  it("walks at once what is younger than the account, and the whole log once an hour for all", async () => {
    const server = await startInProcess();
    await server.barrier.transact(async (tx) => {
      const event = { event: "login", outcome: "granted", time: 1, personal: { name: "bob" } } as const;
      for (let entry = 0; entry < 4000; entry++) await appendAudit(tx, server.context.node, event, randomBytes);
    });
    const read: string[] = [];
    const { context } = server;
    const counted = {
      ...context,
      barrier: {
        ...context.barrier,
        storeId: context.barrier.storeId,
        nameIndex: (name: string) => context.barrier.nameIndex(name),
        transact: context.barrier.transact.bind(context.barrier),
        read: <T>(fn: Parameters<typeof context.barrier.read<T>>[0]) => {
          read.push("page");
          return context.barrier.read(fn);
        },
      },
    };
    const pages = async () => {
      read.length = 0;
      await runErasures(counted);
      return read.length;
    };
    for (const name of ["carol", "dave"]) {
      const { client, alice: person } = await entered({ at: server, name });
      await client.ok("account.delete", { code: person.code(server.clock) });
      expect(await pages()).toBeLessThan(15);
    }
    server.clock.advance(2 * HOUR);
    const whole = await pages();
    expect(whole).toBeGreaterThan(4000 / 128);
    expect(whole).toBeLessThan(1.5 * (4000 / 128) + 10);
    expect(await pages()).toBe(1);
    const shown = (await server.audit()).flatMap((row) => row.personal.name ?? []);
    expect(new Set(shown)).toEqual(new Set(["bob"]));
  });

  it("goes on when a server starts, however soon the last one ended", async () => {
    const store = await newStore();
    await store.barrier.transact((tx) => putErasure(tx, "acc_0123456789abcdef0123456789abcdef"));
    const loopback = { host: "127.0.0.1", port: 0, key: "127.0.0.1:0" };
    const server = await startServer({
      barrier: store.barrier,
      listen: loopback,
      http: undefined,
      registration: "open",
      publicUrl: undefined,
      log: new CapturedLog(),
      now: store.clock.now,
    });
    onTestFinished(() => server.close().catch(() => undefined));
    await expect.poll(async () => (await auditRows(store.barrier)).map(({ event }) => event)).toContain("audit.erase");
  });
});

describe("one damaged record", () => {
  /** Flips the last bit of a sealed value, as whoever can write the storage does. */
  async function spoil({ storage }: TestStore, key: Buffer): Promise<void> {
    const place = Buffer.concat([Buffer.of(1), key]);
    await storage.transact(async (tx) => {
      const envelope = (await tx.get(place)) ?? Buffer.alloc(0);
      envelope.writeUInt8(envelope.readUInt8(envelope.length - 1) ^ 1, envelope.length - 1);
      await tx.put(place, envelope);
    });
  }

  const keyOf = (kind: "device" | "session", { account }: Person, id: string) =>
    recordKey(kind, idBytes(account), idBytes(id));

  it("of a device makes it a stranger: its person logs in, from it and from elsewhere, with as many factors", async () => {
    const { server, alice, client, device } = await entered();
    await spoil(server, keyOf("device", alice, device.device));
    expect(await client.ok("device.list", {})).toEqual({ devices: [] });
    const again = await WireClient.open(server);
    await provePassword(again, alice, device);
    expect(codeOf(await again.call("login.code", { code: alice.wrongCode(server.clock) }))).toBe("code_refused");
    const { new_device } = await again.ok("login.code", { code: alice.code(server.clock) });
    expect(new_device).toBeDefined();
    const found = await server.barrier.read((tx) => tx.keys(recordRange("device", idBytes(alice.account))));
    expect(found).toEqual([keyOf("device", alice, new_device?.device ?? "")]);
  });

  it("of a session is none: its person logs in, and it is deleted", async () => {
    const { server, alice, client, secret, device } = await entered();
    const { session } = await client.ok("session.whoami", {});
    await spoil(server, keyOf("session", alice, session));
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    expect(await (await WireClient.open(server)).resumed(secret)).toBe("session_invalid");
    const other = await logIn(await WireClient.open(server), alice, alice.code(server.clock), device);
    const found = await server.barrier.read((tx) => tx.keys(recordRange("session")));
    expect(found).toEqual([keyOf("session", alice, other.session)]);
  });

  it.each([
    [
      "decodes to no session",
      async (server: TestStore, key: Buffer) => server.barrier.transact((tx) => tx.put(key, Buffer.from("junk"))),
    ],
    ["does not open", spoil],
  ])("that %s does not keep the sweep from the others, and goes with it", async (_how, damage) => {
    const { server, alice, client, device } = await entered();
    const { session } = await client.ok("session.whoami", {});
    await logIn(await WireClient.open(server), alice, alice.code(server.clock), device);
    await damage(server, keyOf("session", alice, session));
    server.clock.advance(13 * HOUR);
    expect(await sweepSessions(server.context)).toBe(2);
    expect(await server.barrier.read((tx) => tx.keys(recordRange("session")))).toEqual([]);
  });

  it("of the strangers' counters goes with the sweep, and the name has its guesses back", async () => {
    const store = await newStore();
    const context = await contextOf(store);
    const key = recordKey("strangerCounter", Buffer.alloc(32, 7));
    await store.barrier.transact((tx) => putStrangerCounter(tx, Buffer.alloc(32, 7), untouchedBudget));
    await spoil(store, key);
    expect(await sweepStrangerCounters(context)).toBe(1);
  });

  it("of an erasure begins it anew, and keeps no other from being done", async () => {
    const store = await newStore();
    const context = await contextOf(store);
    const accounts = [1, 2, 3].map((person) => `acc_${person.toString().repeat(32)}`);
    await store.barrier.transact(async (tx) => {
      for (const account of accounts) await putErasure(tx, account);
    });
    await spoil(store, recordKey("auditErasure", idBytes(accounts[1] ?? "")));
    await runErasures(context);
    const erased = (await auditRows(store.barrier)).filter(({ event }) => event === "audit.erase");
    expect(erased.map(({ account }) => account).sort()).toEqual(accounts);
  });
});

describe("people who are known", () => {
  it("take places only from themselves: many connections of one session cost nobody else theirs", async () => {
    const server = await startInProcess(undefined, { limits: { authenticated: 64, perPerson: 4 } });
    const [alice, bob] = [await registered(server, "alice"), await registered(server, "bob")];
    const quiet = await WireClient.open(server);
    await logIn(quiet, bob, bob.code(server.clock));
    const first = await WireClient.open(server);
    const { secret } = await logIn(first, alice, alice.code(server.clock));
    for (let more = 0; more < 8; more++) {
      await (await WireClient.open(server)).resume(secret);
    }
    expect(await first.reply()).toBeUndefined();
    expect(await quiet.outcome("session.whoami", {})).toBe("ok");
  });

  it("leave no more records by their sessions, however many, than thirty and one each two seconds", async () => {
    const server = await startInProcess(undefined, { limits: { byAddress: true } });
    const { alice, client, device } = await entered({ at: server });
    const other = await WireClient.open(server);
    await logIn(other, alice, alice.code(server.clock), device);
    const bob = await entered({ at: server, name: "bob", since: 0 });
    const before = (await server.audit()).length;
    const outcomes: string[] = [];
    for (let tries = 0; tries < 8; tries++) {
      outcomes.push(await client.outcome("recovery.regenerate", {}));
      outcomes.push(await other.outcome("session.token", {}));
      outcomes.push(codeOf(await client.call("session.verify", { code: alice.wrongCode(server.clock) })));
      outcomes.push(codeOf(await other.call("account.delete", { code: alice.wrongCode(server.clock) })));
    }
    expect(outcomes.filter((outcome) => outcome === "rate_limited")).toHaveLength(2);
    expect((await server.audit()).length).toBeLessThanOrEqual(before + 30);
    expect(await other.outcome("factor.add", { kind: "totp" })).toBe("rate_limited");
    expect(await bob.client.outcome("session.token", {})).toBe("ok");
    server.clock.advance(2 * SECOND);
    expect(await other.outcome("session.token", {})).toBe("ok");
    expect(await client.outcome("session.token", {})).toBe("rate_limited");
  });

  it("may look, and end what they have, however much somebody does with a session of theirs", async () => {
    const server = await startInProcess(undefined, { limits: { byAddress: true } });
    const { alice, client: thief, device } = await entered({ at: server });
    const owner = await WireClient.open(server);
    await logIn(owner, alice, alice.code(server.clock), device);
    while ((await thief.outcome("session.token", {})) === "ok");
    expect(await owner.outcome("session.list", {})).toBe("ok");
    expect(await owner.ok("session.revoke_others", {})).toEqual({ revoked: 1 });
    expect(await owner.outcome("session.logout", {})).toBe("ok");
  });

  it("leave no record by ending what is not there", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await logIn(client, alice, alice.code(server.clock));
    const before = (await server.audit()).length;
    expect(await client.ok("session.revoke_others", {})).toEqual({ revoked: 0 });
    expect(await client.ok("device.forget_others", {})).toEqual({ forgotten: 0 });
    expect(await server.audit()).toHaveLength(before);
  });
});

describe("a session that somebody else uses too", () => {
  it("shows it at once, in the list and in the log, from whichever call", async () => {
    const server = await startInProcess();
    const { alice, client, secret } = await entered({ at: server, since: 0 });
    const thief = await WireClient.open(server, "127.0.0.2");
    const { session } = await thief.resume(secret);
    const moves = async () => (await server.audit()).filter(({ event }) => event === "session.move");
    const told = {
      outcome: "done",
      account: alice.account,
      session,
      personal: { name: "alice", address: "127.0.0.2" },
    };
    expect(await moves()).toMatchObject([told]);
    await thief.ok("session.whoami", {});
    expect(await moves()).toHaveLength(1);
    await client.ok("recovery.status", {});
    expect(await moves()).toMatchObject([told, { personal: { address: "127.0.0.1" } }]);
    const { sessions } = await thief.ok("session.list", {});
    expect(sessions).toMatchObject([{ session, address: "127.0.0.2" }]);
  });

  it("writes no more for it than thirty records and one each two seconds, and refuses nobody for that", async () => {
    const server = await startInProcess(undefined, { limits: { byAddress: true } });
    const { alice, client, secret } = await entered({ at: server, since: 0 });
    const thief = await WireClient.open(server, "127.0.0.2");
    await thief.resume(secret);
    for (let calls = 0; calls < 30; calls++) {
      await client.ok("session.whoami", {});
      await thief.ok("session.whoami", {});
    }
    const moves = (await server.audit()).filter(({ event }) => event === "session.move");
    expect(moves).toHaveLength(30);
    expect(moves.every(({ account }) => account === alice.account)).toBe(true);
  });
});

describe("the right password", () => {
  it("leaves a record also where the code that follows is turned away unjudged", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await failCodes(server, alice, 5);
    for (let again = 0; again < 2; again++) {
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      expect(codeOf(await client.call("login.code", { code: alice.code(server.clock) }))).toBe("throttled");
      await client.close();
    }
    await expect.poll(async () => (await server.audit()).filter(({ reason }) => reason === "no_code")).toHaveLength(2);
  });
});

describe("the log says how somebody got in", () => {
  it("by an authenticator or a recovery code", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    await logIn(await WireClient.open(server), alice, alice.recoveryCodes[0] ?? "");
    const reasons = (await server.audit()).filter(({ event }) => event === "login").map(({ reason }) => reason);
    expect(reasons).toEqual(["totp new_device", "recovery new_device"]);
  });
});

describe("the count of accounts by generation", () => {
  it("never goes below none, whatever is deleted", async () => {
    const store = await newStore();
    for (let more = 0; more < 2; more++) await store.barrier.transact((tx) => countAccount(tx, { from: 1 }));
    await store.barrier.transact((tx) => countAccount(tx, { to: 1 }));
    expect((await store.barrier.read(getStretchCensus)).generations[0]).toMatchObject({ accounts: 1 });
  });
});

describe("a raise of the stretching", () => {
  it("is not diluted by those who register after it", async () => {
    const store = await newStore();
    const context = await contextOf(store);
    const count = (change: Parameters<typeof countAccount>[1]) =>
      store.barrier.transact((tx) => countAccount(tx, change));
    for (let person = 0; person < 10; person++) await count({ to: 1 });
    await raiseStretch(context, 2);
    for (let person = 0; person < 90; person++) await count({ to: 2 });
    const [old] = (await readStretchCensus(context)).generations;
    expect(old?.threshold).toBe(1);
    for (let person = 0; person < 5; person++) await count({ from: 1, to: 2 });
    expect((await store.barrier.read(getStretchCensus)).generations[0]?.threshold).toBe(0.5);
  });
});
