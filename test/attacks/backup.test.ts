import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { unsealBackup } from "../../packages/server/src/barrier/backup-reader.js";
import { findBackup, restoreBarrier } from "../../packages/server/src/barrier/barrier.js";
import { scopes } from "../../packages/server/src/records/applications/api-key.js";
import { recordRange } from "../../packages/server/src/records/keys.js";
import { authenticateKey, createApiKey } from "../../packages/server/src/services/applications/api-keys.js";
import { listApiKeys, revokeApiKey } from "../../packages/server/src/services/applications/key-care.js";
import { verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import { backUp } from "../../packages/server/src/services/backup.js";
import { createInvite } from "../../packages/server/src/services/invites.js";
import { issueResetToken } from "../../packages/server/src/services/reset-tokens.js";
import { settleRestored } from "../../packages/server/src/services/restore.js";
import { readSettings } from "../../packages/server/src/services/store.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import { ApiClient, resultOf } from "../support/api-client.js";
import { newHotp, newOtp, newTotp, wrongCode } from "../support/api-credentials.js";
import {
  adminPassword,
  type Clock,
  cheap,
  contextOf,
  newLmdbStore,
  SECOND,
  startInProcess,
  type TestServer,
  type TestStore,
  temporaryDirectory,
} from "../support/in-process.js";
import { becomeKnown, hotpOf, logIn, Person, provePassword, register, registered, tryCode } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

/** What `posternd backup` writes of a running server's store. */
async function backupOf(store: TestStore): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await backUp(await contextOf(store), { write: async (bytes) => void pieces.push(bytes) });
  return Buffer.concat(pieces);
}

/** What `posternd restore` makes of it, at the clock's time. */
async function restored(bytes: Buffer, clock: Clock): Promise<TestStore> {
  const storage = createMemoryStorage();
  const source = (async function* () {
    yield bytes;
  })();
  const backup = await unsealBackup(await findBackup(source, cheap), adminPassword);
  const { barrier } = await restoreBarrier(storage, backup, cheap);
  onTestFinished(() => barrier.close());
  expect((await verifyTrail(barrier)).ok).toBe(true);
  const { node } = await readSettings(barrier);
  await settleRestored({ barrier, node, now: clock.now, random: randomBytes }, backup.head.time);
  return { clock, storage, barrier };
}

const restoredServer = async (bytes: Buffer, clock: Clock) => startInProcess(await restored(bytes, clock));

/** A person's HOTP authenticator, with the code of counter 0 used up. */
async function addHotp(server: TestServer, person: Person) {
  const client = await WireClient.open(server);
  await logIn(client, person, person.code(server.clock));
  const offer = await client.ok("factor.add", { kind: "hotp" });
  await client.ok("factor.confirm", { code: hotpOf(offer, 0) });
  await client.close();
  return offer;
}

describe("attack 43: a backup under load", () => {
  it("restores to one moment, with all that was acknowledged before it, and its audit chain holds", async () => {
    const server = await startInProcess(await newLmdbStore(await temporaryDirectory()));
    const before = await Promise.all(["alice", "bob", "carol"].map((name) => registered(server, name)));
    const after: Person[] = [];
    let done = false;
    const load = (async () => {
      for (let count = 0; !done; count++) after.push(await registered(server, `more${count}`));
    })();
    while (after.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const acknowledged = [...before, ...after];
    const bytes = await backupOf(server);
    done = true;
    await load;
    expect((await server.verifyAudit()).ok).toBe(true);

    server.clock.advance(90 * SECOND);
    const again = await restoredServer(bytes, server.clock);
    server.clock.advance(90 * SECOND);
    for (const person of acknowledged) expect(await tryCode(again, person, person.code(server.clock))).toBe("ok");
    expect((await again.verifyAudit()).ok).toBe(true);
    const events = (await again.audit()).map(({ event }) => event);
    expect(events.filter((event) => /^(backup|store)\./.test(event))).toEqual([
      "store.create",
      "backup.begin",
      "store.restore",
    ]);
  });
});

describe("a restored store", () => {
  it("has no session, no recovery code, and no code of the time up to the restore", async () => {
    const server = await startInProcess();
    const { clock } = server;
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const { secret } = await logIn(client, alice, alice.code(clock));
    const bytes = await backupOf(server);
    clock.advance(600 * SECOND);
    const used = [alice.code(clock, -1), alice.code(clock), alice.code(clock, 1)];
    const [recovery = ""] = alice.recoveryCodes;
    expect(await tryCode(server, alice, recovery)).toBe("ok");

    const again = await restoredServer(bytes, clock);
    const resuming = await WireClient.open(again);
    expect(await resuming.resumed(secret)).toBe("session_invalid");
    for (const code of [...used, recovery]) expect(await tryCode(again, alice, code)).toBe("code_refused");
    clock.advance(60 * SECOND);
    expect(await tryCode(again, alice, alice.code(clock))).toBe("ok");
  });

  it("has no invite and no reset token: they may have been used since", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await createInvite(server.context, { uses: 3, lifetime: 3600 * SECOND });
    await issueResetToken(server.context, { name: alice.name }, { resets: "password", lifetime: 3600 * SECOND });
    const again = await restored(await backupOf(server), server.clock);
    const left = await again.barrier.read(async (tx) => [
      ...(await tx.scan(recordRange("invite"))),
      ...(await tx.scan(recordRange("resetToken"))),
    ]);
    expect(left).toEqual([]);
  });

  it("takes no API key: any may have been revoked since; its application is there, for a new one", async () => {
    const server = await startInProcess();
    const wish = { name: "shop", scopes: ["otp" as const], lifetime: undefined };
    const { key, text } = await createApiKey(server.context, wish);
    for (let more = 0; more < 300; more++)
      await createApiKey(server.context, { ...wish, application: key.application });
    const bytes = await backupOf(server);
    await revokeApiKey(server.context, key.id);
    const again = await contextOf(await restored(bytes, server.clock));
    await expect(authenticateKey(again, text)).rejects.toMatchObject({ code: "api_key_invalid" });
    const now = server.clock.now();
    const keys = await listApiKeys(again);
    expect(keys).toHaveLength(301);
    expect(keys.filter(({ revokedAt }) => revokedAt !== now)).toEqual([]);
    const next = await createApiKey(again, { ...wish, application: key.application });
    expect(await authenticateKey(again, next.text)).toMatchObject({ application: key.application });
  });

  it("has no one-time code of an application's that was pending, no code that may have been used, and no repeats", async () => {
    const server = await startInProcess(undefined, { http: true });
    const { clock } = server;
    const client = await ApiClient.of(server);
    const [otp, totp, hotp] = [await newOtp(client), await newTotp(client, clock), await newHotp(client)];
    const key = { "idempotency-key": "k" };
    await client.post("/v1/otp", { subject: "bob" }, key);
    const locked = await newOtp(client, { subject: "carol" });
    for (let guess = 0; guess < 5; guess++) await locked.verify(wrongCode(locked.code));
    await otp.verify(wrongCode(otp.code));
    const bytes = await backupOf(server);
    const again = await startInProcess(await restored(bytes, clock), { http: true });
    const application = (await listApiKeys(again.context))[0]?.application;
    const next = await createApiKey(again.context, {
      name: "shop",
      scopes: [...scopes],
      lifetime: undefined,
      application,
    });
    const there = new ApiClient(again, next.text);
    expect((await otp.verify(otp.code, there)).body).toEqual({ result: "invalid", expired: true });
    for (const at of [-1, 0, 1]) expect(resultOf(await totp.verify(totp.code(at), there))).toBe("replayed");
    expect((await hotp.verify(hotp.code(0), there)).body).toEqual({ result: "invalid", resync_needed: true });
    const pair = { codes: [hotp.code(4), hotp.code(5)] };
    expect(resultOf(await there.post(`${hotp.path}/resync`, pair))).toBe("valid");
    expect(resultOf(await hotp.verify(hotp.code(6), there))).toBe("valid");
    expect((await there.post("/v1/otp", { subject: "bob" }, key)).headers["idempotent-replayed"]).toBeUndefined();
    expect(resultOf(await locked.verify(locked.code, there))).toBe("throttled");
    clock.advance(60 * SECOND);
    expect(resultOf(await totp.verify(totp.code(), there))).toBe("valid");
  });

  it("keeps a step that was used in the future, by a clock that ran ahead", async () => {
    const server = await startInProcess();
    const { clock } = server;
    const alice = await registered(server);
    expect(await tryCode(server, alice, alice.code(clock, 1))).toBe("ok");
    const bytes = await backupOf(server);
    clock.advance(-3600 * SECOND);
    const again = await restoredServer(bytes, clock);
    clock.advance(3630 * SECOND);
    expect(await tryCode(again, alice, alice.code(clock))).toBe("code_refused");
    clock.advance(30 * SECOND);
    expect(await tryCode(again, alice, alice.code(clock))).toBe("ok");
  });

  it("takes of an HOTP device only two codes in a row, once, and one at a time again after that", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const hotp = await addHotp(server, alice);
    const bytes = await backupOf(server);
    expect(await tryCode(server, alice, hotpOf(hotp, 1))).toBe("ok");

    server.clock.advance(90 * SECOND);
    const again = await restoredServer(bytes, server.clock);
    expect(await tryCode(again, alice, hotpOf(hotp, 1))).toBe("code_refused");
    expect(await tryCode(again, alice, hotpOf(hotp, 2))).toBe("code_refused");
    const client = await WireClient.open(again);
    await provePassword(client, alice);
    const pair = { code: hotpOf(hotp, 2), second_code: hotpOf(hotp, 3) };
    expect(codeOf(await client.call("login.code", pair))).toBe("ok");
    expect(await tryCode(again, alice, hotpOf(hotp, 3))).toBe("code_refused");
    expect(await tryCode(again, alice, hotpOf(hotp, 4))).toBe("ok");
  });

  it("still knows the devices it knew, and answers for unknown names as before", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const device = await becomeKnown(server, alice, alice.code(server.clock));
    const saltOf = async (target: TestServer, name: string) => {
      const { salt, stretch } = await (await WireClient.open(target)).ok("login.start", {
        name,
        A: "ab".repeat(256),
      });
      return { salt, stretch };
    };
    const salts = await Promise.all(["alice", "nobody-here"].map((name) => saltOf(server, name)));
    const again = await restoredServer(await backupOf(server), server.clock);
    expect(await Promise.all(["alice", "nobody-here"].map((name) => saltOf(again, name)))).toEqual(salts);
    server.clock.advance(90 * SECOND);
    expect(await tryCode(again, alice, alice.code(server.clock), device)).toBe("ok");
  });

  it("goes on with its audit chain, so that a checkpoint of before the backup holds against it", async () => {
    const server = await startInProcess();
    const person = new Person("dave");
    await register(await WireClient.open(server), person, { clock: server.clock });
    const rows = await server.audit();
    const again = await restored(await backupOf(server), server.clock);
    const after = await (await startInProcess(again)).audit();
    expect(after.slice(0, rows.length)).toEqual(rows);
    expect(after.find(({ event }) => event === "store.restore")?.reason).toBe(
      `backup of ${new Date(server.clock.now()).toISOString()}`,
    );
  });
});
