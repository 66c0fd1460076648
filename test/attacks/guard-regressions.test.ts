import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { putErasure } from "../../packages/server/src/records/audit-erasure.js";
import { recordKey } from "../../packages/server/src/records/keys.js";
import { getStretchCensus } from "../../packages/server/src/records/stretch-census.js";
import { startServer } from "../../packages/server/src/server.js";
import { runErasures } from "../../packages/server/src/services/audit-erasure.js";
import { sweepSessions } from "../../packages/server/src/services/sessions.js";
import { countAccount, raiseStretch, readStretchCensus } from "../../packages/server/src/services/stretching.js";
import { auditRows, CapturedLog, contextOf, HOUR, newStore, startInProcess } from "../support/in-process.js";
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
    store.clock.advance(HOUR);
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
    await runErasures(server.context);
    const rows = await server.audit();
    expect(rows.filter(({ personal }) => Object.keys(personal).length > 0)).toEqual([]);
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
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
  it("does not keep the sweep from the others", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await logIn(client, alice, alice.code(server.clock));
    await server.barrier.transact((tx) => tx.put(recordKey("session", Buffer.alloc(32)), Buffer.from("junk")));
    server.clock.advance(13 * HOUR);
    expect(await sweepSessions(server.context)).toBe(1);
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

  it("begin no more logins a minute on a known device than an address does, and take no more tokens", async () => {
    const server = await startInProcess(undefined, { limits: { byAddress: true } });
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await logIn(client, alice, alice.code(server.clock));
    const outcomes: string[] = [];
    for (let tries = 0; tries < 31; tries++) outcomes.push(await client.outcome("session.token", {}));
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(30);
    expect(outcomes.at(-1)).toBe("rate_limited");
    expect(await client.outcome("session.whoami", {})).toBe("ok");
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
