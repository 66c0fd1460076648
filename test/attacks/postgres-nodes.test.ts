import { hostname } from "node:os";
import { describe, expect, it, onTestFinished } from "vitest";
import { parsePostgresUrl } from "../../packages/server/src/postgres-url.js";
import { takeCheckpoint } from "../../packages/server/src/services/audit-export.js";
import { verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import {
  listSigningKeys,
  replaceSigningKeys,
  rotateSigningKeys,
} from "../../packages/server/src/services/signing-keys.js";
import { readStatus } from "../../packages/server/src/services/status.js";
import { openPostgresStorage } from "../../packages/server/src/storage/postgres.js";
import { version } from "../../packages/server/src/version.js";
import { verifyToken } from "../../packages/server/test/support/verify-token.js";
import { eventually } from "../support/eventually.js";
import { ask } from "../support/https.js";
import {
  Clock,
  contextOf,
  MINUTE,
  newStore,
  reopened,
  SECOND,
  type ServerOptions,
  startInProcess,
  type TestServer,
  type TestStore,
} from "../support/in-process.js";
import {
  awaitingCode,
  becomeKnown,
  guessPassword,
  logIn,
  registered,
  tryCode,
  tryPassword,
} from "../support/person.js";
import { testDatabase } from "../support/postgres.js";
import { openDamagedWay } from "../support/postgres-proxy.js";
import { expectOneCount, expectOneLogin } from "../support/two-servers.js";
import { codeOf, WireClient } from "../support/wire-client.js";

async function openedOn(url: string, create: boolean) {
  const settings = { server: parsePostgresUrl(url), password: async () => undefined, timeouts: { beat: 20 } };
  const storage = await openPostgresStorage({ ...settings, create });
  onTestFinished(() => storage.close());
  return storage;
}

/** Two nodes, each with sessions, keys and a chain of its own, over one database: that is all they share. */
async function twoNodes(clock: Clock, options: ServerOptions = {}): Promise<[TestServer, TestServer]> {
  const { url } = await testDatabase();
  const first: TestStore = await newStore({ clock, storage: await openedOn(url, true) });
  const second = await reopened({ ...first, storage: await openedOn(url, false) });
  const named = (node: string) => ({ ...options, node });
  return [await startInProcess(first, named("web-1")), await startInProcess(second, named("web-2"))];
}

describe("two nodes on one PostgreSQL", () => {
  it("attack 20: 50 logins at once with one code, spread over both, give exactly one session", async () => {
    const clock = new Clock();
    const both = await twoNodes(clock);
    await expectOneLogin({ both, person: await registered(both[0], "alice"), clock }, 50);
    expect(await verifyTrail(both[1].barrier)).toMatchObject({ ok: true });
  });

  it("attack 26: wrong codes and wrong passwords are counted together, whichever node takes them", async () => {
    const clock = new Clock();
    const both = await twoNodes(clock);
    const frank = await registered(both[0], "frank");
    await expectOneCount({ both, person: frank, clock });
    for (const node of [...both, ...both, both[0]]) {
      expect(codeOf(await guessPassword(await WireClient.open(node), "frank"))).toBe("login_failed");
    }
    expect(await tryPassword(both[1], frank)).toBe("throttled");
  });

  it("attack 26: so are those of a known device, in its own budgets, which leave the strangers' alone", async () => {
    const clock = new Clock();
    const both = await twoNodes(clock);
    const [here, there] = both;
    const grace = await registered(here, "grace");
    const device = await becomeKnown(here, grace, grace.code(clock));
    for (const node of [...both, ...both, here]) {
      expect(codeOf(await guessPassword(await WireClient.open(node), "grace", device))).toBe("login_failed");
    }
    for (const node of both) expect(await tryPassword(node, grace, device)).toBe("throttled");
    expect(await tryPassword(there, grace)).toBe("ok");
    clock.advance(MINUTE);
    for (const node of [...both, ...both, there]) {
      expect(await tryCode(node, grace, grace.wrongCode(clock), device)).toBe("code_refused");
    }
    for (const node of both) expect(await tryCode(node, grace, grace.code(clock), device)).toBe("throttled");
    expect(await tryCode(here, grace, grace.code(clock))).toBe("ok");
  });

  it("take up a rotation and a replacement of the signing keys at once: what both publish, sign by, and refuse", async () => {
    const clock = new Clock();
    const both = await twoNodes(clock, { http: true, publicUrl: "https://auth.test" });
    const [here, there] = both;
    const heidi = await registered(here, "heidi");
    const client = await WireClient.open(there);
    await logIn(client, heidi, heidi.code(clock));
    const tokenOf = async () => (await client.ok("session.token", { audience: "wiki" })).token;
    const published = async () => {
      const sets = await Promise.all(both.map(async (node) => (await ask(node, "/.well-known/jwks.json")).text));
      expect(sets[1]).toBe(sets[0]);
      return JSON.parse(sets[0] ?? "") as Parameters<typeof verifyToken>[1];
    };
    const holds = async (token: string) =>
      verifyToken(token, await published(), { issuer: "https://auth.test", audience: "wiki", now: clock.now() });

    const operator = await contextOf(here);
    const first = await tokenOf();
    expect((await rotateSigningKeys(operator)).rotated).toBe(true);
    expect((await published()).keys).toHaveLength(2);
    await holds(first);
    const seen = (await listSigningKeys(operator)).map(({ id }) => id);
    expect((await replaceSigningKeys(operator, seen)).rotated).toBe(true);
    expect((await published()).keys).toHaveLength(1);
    await expect(holds(first)).rejects.toThrow("no applicable key");
    expect(await holds(await tokenOf())).toMatchObject({ preferred_username: "heidi" });
  });

  it("promise 8: write a chain each, which are one log, under one checkpoint", async () => {
    const clock = new Clock();
    const [here, there] = await twoNodes(clock);
    clock.advance(MINUTE);
    const ivan = await registered(here, "ivan");
    clock.advance(MINUTE);
    await tryCode(there, ivan, ivan.code(clock));
    const rows = (await there.audit()).map(({ node, event }) => `${node} ${event}`);
    expect(rows.slice(0, 3)).toEqual(["store store.create", "store node.add", "store node.add"]);
    expect(rows.slice(-2)).toEqual(["web-1 register", "web-2 login"]);
    const checkpoint = await takeCheckpoint(here.context);
    expect(checkpoint.chains).toHaveLength(3);
    const sound = { ok: true, chains: [{ node: "store" }, { node: "web-1" }, { node: "web-2" }] };
    expect(await verifyTrail(there.barrier, { checkpoint })).toMatchObject(sound);

    await there.close();
    clock.advance(MINUTE);
    const status = await readStatus(here.barrier, clock.now());
    expect(status.servers).toEqual([]);
    expect(status.silent).toMatchObject([{ node: "web-1", version, host: hostname() }]);
    expect(status.nodes.map(({ node }) => node)).toEqual(["store", "web-1", "web-2"]);
    expect(await verifyTrail(here.barrier, { checkpoint })).toMatchObject(sound);
  });

  it("attack 34: a logout at one ends the session on a connection that the other one has open", async () => {
    const clock = new Clock();
    const [here, there] = await twoNodes(clock);
    const dave = await registered(here, "dave");
    const [first, second] = [await WireClient.open(here), await WireClient.open(there)];
    const { secret } = await logIn(first, dave, dave.code(clock));
    await second.resume(secret);
    await second.ok("session.whoami", {});
    await first.ok("session.logout", {});
    expect(await second.outcome("session.token", {})).toBe("session_invalid");
    expect(await second.resumed(secret)).toBe("session_invalid");
  });

  it("promise 7: a node whose database is gone grants nothing, and goes on by itself when it is back", async () => {
    const clock = new Clock();
    const { url } = await testDatabase();
    const way = await openDamagedWay(url);
    const node = await startInProcess(await newStore({ clock, storage: await openedOn(way.url, true) }));
    const erin = await registered(node, "erin");
    const [client] = await awaitingCode(node, erin, 1);
    way.close();
    expect(codeOf(await client?.call("login.code", { code: erin.code(clock) }))).toBe("unavailable");
    way.reopen();
    expect(codeOf(await client?.call("login.code", { code: erin.code(clock) }))).toBe("ok");
    expect(await verifyTrail(node.barrier)).toMatchObject({ ok: true });
  });
});

describe("a node whose database says nothing any more", () => {
  it("refuses at once, says so once, and keeps its connections until it is back", async () => {
    const clock = new Clock();
    const { url, schema, sql } = await testDatabase();
    const way = await openDamagedWay(url);
    const storage = await openedOn(way.url, true);
    const node = await startInProcess(await newStore({ clock, storage }), { http: true, watchStore: storage.watch });
    const health = async (path: string) => {
      clock.advance(SECOND);
      return (await ask(node, path)).status;
    };
    const frank = await registered(node, "frank");
    const [atCode, resting] = [(await awaitingCode(node, frank, 1))[0], await WireClient.open(node)];
    expect([await health("/livez"), await health("/readyz")]).toEqual([200, 200]);
    way.stall();
    const code = frank.code(clock);
    expect(codeOf(await atCode?.call("login.code", { code }))).toBe("unavailable");
    const refused = await Promise.all([
      ...Array.from({ length: 5 }, async () => codeOf(await guessPassword(await WireClient.open(node), "frank"))),
      resting.outcome("register.start", { name: "grace" }),
      atCode?.outcome("login.code", { code }),
    ]);
    expect(new Set(refused)).toEqual(new Set(["unavailable"]));
    expect([await health("/livez"), await health("/readyz")]).toEqual([200, 503]);
    expect(JSON.parse((await ask(node, "/readyz")).text)).toMatchObject({ code: "unavailable", status: 503 });
    expect(node.log.errors).toMatchObject([{ facts: { code: "store_unreachable" } }]);
    way.flow();
    await eventually(async () => (await health("/readyz")) === 200);
    expect(await atCode?.outcome("login.code", { code: frank.code(clock) })).toBe("ok");
    expect(await guessPassword(resting, "frank").then(codeOf)).toBe("login_failed");
    expect(node.log.errors).toHaveLength(1);

    // It answers and refuses all the same, as where a right is gone.
    await sql(`CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE insufficient_privilege; END $$`);
    await sql(`CREATE TRIGGER refuse BEFORE INSERT ON ${schema}.records EXECUTE FUNCTION ${schema}.refuse()`);
    for (let guess = 0; guess < 3; guess++) {
      expect(await guessPassword(await WireClient.open(node), "frank").then(codeOf)).toBe("unavailable");
      await eventually(() => node.log.errors.length === 2);
    }
    expect(node.log.errors[1]).toMatchObject({ facts: { code: "store_denied", why: "this user lacks a right there" } });
    await sql(`DROP TRIGGER refuse ON ${schema}.records`);
  });
});
