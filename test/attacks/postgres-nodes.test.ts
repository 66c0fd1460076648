import { describe, expect, it, onTestFinished } from "vitest";
import { parsePostgresUrl } from "../../packages/server/src/postgres-url.js";
import { verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import { openPostgresStorage } from "../../packages/server/src/storage/postgres.js";
import { allPaths } from "../support/code-paths.js";
import { eventually } from "../support/eventually.js";
import { ask } from "../support/https.js";
import {
  Clock,
  newStore,
  reopened,
  SECOND,
  startInProcess,
  type TestServer,
  type TestStore,
} from "../support/in-process.js";
import { awaitingCode, guessPassword, logIn, registered, tryPassword } from "../support/person.js";
import { testDatabase } from "../support/postgres.js";
import { openDamagedWay } from "../support/postgres-proxy.js";
import { codeOf, WireClient } from "../support/wire-client.js";

async function openedOn(url: string, create: boolean) {
  const settings = { server: parsePostgresUrl(url), password: async () => undefined, timeouts: { beat: 20 } };
  const storage = await openPostgresStorage({ ...settings, create });
  onTestFinished(() => storage.close());
  return storage;
}

/** Two nodes, each with sessions and keys of its own, over one database: that is all they share. */
async function twoNodes(clock: Clock): Promise<[TestServer, TestServer]> {
  const { url } = await testDatabase();
  const first: TestStore = await newStore({ clock, storage: await openedOn(url, true) });
  const second = await reopened({ ...first, storage: await openedOn(url, false) });
  return [await startInProcess(first), await startInProcess(second)];
}

describe("two nodes on one PostgreSQL", () => {
  it("attack 20: 50 logins at once with one code, spread over both, give exactly one session", async () => {
    const clock = new Clock();
    const both = await twoNodes(clock);
    const alice = await registered(both[0], "alice");
    const clients = (await Promise.all(both.map((node) => awaitingCode(node, alice, 25)))).flat();
    const code = alice.code(clock);
    const outcomes = (await Promise.all(clients.map((client) => client.call("login.code", { code })))).map(codeOf);
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "code_refused")).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome === "throttled")).toHaveLength(44);
    expect(await verifyTrail(both[1].barrier)).toMatchObject({ ok: true });
  });

  it("attack 26: wrong codes and wrong passwords are counted together, whichever node takes them", async () => {
    const clock = new Clock();
    const both = await twoNodes(clock);
    const frank = await registered(both[0], "frank");
    const { secret, new_device: device } = await logIn(await WireClient.open(both[0]), frank, frank.code(clock));
    const gives = await allPaths(both, frank, { secret, device });
    const outcomes: string[] = [];
    for (const give of [...gives, ...gives.slice(0, 1)]) outcomes.push(codeOf(await give(frank.wrongCode(clock))));
    expect(outcomes).toEqual(Array(5).fill("code_refused"));
    for (const give of await allPaths([both[1], both[0]], frank, { secret, device })) {
      expect(codeOf(await give(frank.code(clock, 1)))).toBe("throttled");
    }
    for (const node of [...both, ...both, both[0]]) {
      expect(codeOf(await guessPassword(await WireClient.open(node), "frank"))).toBe("login_failed");
    }
    expect(await tryPassword(both[1], frank)).toBe("throttled");
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
    const { url } = await testDatabase();
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
  });
});
