import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { scanShelf, shelve, shelves } from "../../packages/server/src/records/challenges/outbox.js";
import { parseSubject } from "../../packages/server/src/services/applications/subject.js";
import { parseBirthDate } from "../../packages/server/src/services/challenges/calendar.js";
import { createCallback } from "../../packages/server/src/services/challenges/callbacks.js";
import { createChallenge } from "../../packages/server/src/services/challenges/create.js";
import { expireChallenges } from "../../packages/server/src/services/challenges/expire.js";
import { parseReplyTo } from "../../packages/server/src/services/challenges/reply-to.js";
import { clearLogLevel, setLogLevel } from "../../packages/server/src/services/log-level.js";
import { runningServers } from "../../packages/server/src/services/presence.js";
import { readStatus } from "../../packages/server/src/services/status.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import type { Storage } from "../../packages/server/src/storage/storage.js";
import { apiKey } from "../support/api.js";
import { eventually } from "../support/eventually.js";
import { ask } from "../support/https.js";
import { HOUR, MINUTE, newStore, SECOND, startInProcess, type TestServer } from "../support/in-process.js";
import {
  failPasswords,
  guessPassword,
  Person,
  provePassword,
  register,
  registered,
  tryCode,
  tryPassword,
} from "../support/person.js";
import { codeOf, connectRaw, gone, WireClient } from "../support/wire-client.js";

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

async function fetchFrom(server: TestServer, path: string, sent: Record<string, string> = {}): Promise<Answer> {
  const { status, headers, text: body } = await ask(server, path, { headers: sent });
  return { status, type: headers["content-type"], body };
}

const measured = () => startInProcess(undefined, { http: true, metricsReaders: (address) => address === "127.0.0.1" });

/** The value of a metric by its name and labels, as it is written. */
async function metric(server: TestServer, sample: string): Promise<number> {
  const { body } = await fetchFrom(server, "/metrics");
  const line = body.split("\n").find((one) => one.startsWith(`${sample} `));
  return line === undefined ? 0 : Number(line.slice(sample.length + 1));
}

describe("/metrics", () => {
  it("counts logins, refusals and registrations once they are durable, and shows what is open", async () => {
    const server = await measured();
    const alice = await registered(server);
    server.clock.advance(MINUTE);
    expect(await tryCode(server, alice, alice.wrongCode(server.clock))).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
    expect(await tryPassword(server, new Person("alice", "another one"))).toBe("login_failed");
    const client = await WireClient.open(server);
    expect(await metric(server, 'posternd_logins_total{outcome="granted"}')).toBe(1);
    expect(await metric(server, 'posternd_logins_total{outcome="code_refused"}')).toBe(1);
    expect(await metric(server, 'posternd_logins_total{outcome="password_refused"}')).toBe(1);
    expect(await metric(server, 'posternd_second_factor_failures_total{reason="wrong_code"}')).toBe(1);
    expect(await metric(server, 'posternd_registrations_total{outcome="done"}')).toBe(1);
    expect(await metric(server, 'posternd_refusals_total{code="login_failed"}')).toBe(1);
    expect(await metric(server, 'posternd_connections{state="stranger"}')).toBeGreaterThanOrEqual(1);
    expect(await metric(server, "posternd_audit_entries")).toBe((await server.audit()).length);
    expect(await metric(server, "posternd_draining")).toBe(0);
    const { body, type } = await fetchFrom(server, "/metrics");
    expect(type).toContain("text/plain");
    for (const name of ["nodejs_eventloop_lag_seconds", "process_resident_memory_bytes", "posternd_build_info"]) {
      expect(body).toMatch(new RegExp(`^${name}`, "m"));
    }
    await client.close();
  });

  it("shows pages that can be answered, and messages that wait or are dead", async () => {
    const server = await measured();
    const { context } = server;
    const { key } = await apiKey(context, ["challenge"]);
    const owner = { application: key.application, applicationName: "bot" };
    const target = { kind: "webhook", url: "https://bot.example/" } as const;
    const { callback } = await createCallback(context, { application: key.application, name: "bot", target });
    const question = { kind: "birth_date", birthDay: parseBirthDate("1984-02-29", server.clock.now()) } as const;
    const replyTo = parseReplyTo("tel:+15550100", new Set());
    const told = { name: "bot", onExpiry: true };
    for (const [n, lifetime] of [MINUTE, MINUTE, HOUR].entries()) {
      const wish = { subject: parseSubject(`person ${n}`), question, lifetime, replyTo, callback: told };
      await createChallenge(context, { address: "127.0.0.1", client: "bot/1" }, owner, wish);
    }
    server.clock.advance(MINUTE);
    await expireChallenges(context);
    await server.barrier.transact(async (tx) => {
      const shelf = { callback: callback.id, shelf: 0 };
      const [first] = (await scanShelf(tx, shelf, { limit: 1 })).shelved;
      if (first === undefined) return;
      await tx.delete(first.key);
      await shelve(tx, shelves.dead, first.message);
    });
    expect(await metric(server, "posternd_challenges_open")).toBe(1);
    expect(await metric(server, 'posternd_callbacks{state="waiting"}')).toBe(1);
    expect(await metric(server, 'posternd_callbacks{state="dead"}')).toBe(1);
    const { challenges } = await readStatus(server.barrier, server.clock.now());
    expect(challenges).toEqual({ open: 1, waiting: 1, dead: 1 });
  });

  it("say which node it is, where it has a name, and how long the log of all nodes is", async () => {
    const first = await startInProcess(undefined, { node: "web-1" });
    const second = await startInProcess(first, { node: "web-2", http: true, metricsReaders: () => true });
    expect(await metric(second, 'posternd_node_info{name="web-2"}')).toBe(1);
    const rows = await second.audit();
    expect(new Set(rows.map(({ node }) => node))).toEqual(new Set(["store", "web-1", "web-2"]));
    expect(await metric(second, "posternd_audit_entries")).toBe(rows.length);
    expect((await fetchFrom(await measured(), "/metrics")).body).not.toContain("posternd_node_info");
  });

  it("counts nothing that was not made durable", async () => {
    const memory = createMemoryStorage();
    const commits = { broken: false };
    const storage: Storage = {
      read: (fn) => memory.read(fn),
      close: () => memory.close(),
      transact: (fn) =>
        memory.transact(async (tx) => {
          const result = await fn(tx);
          if (commits.broken) throw new PosternError("store_failed");
          return result;
        }),
    };
    const readers = () => true;
    const server = await startInProcess(await newStore({ storage }), { http: true, metricsReaders: readers });
    await registered(server);
    commits.broken = true;
    expect(codeOf(await guessPassword(await WireClient.open(server), "alice"))).toBe("internal");
    expect(await metric(server, 'posternd_logins_total{outcome="password_refused"}')).toBe(0);
    expect(await metric(server, 'posternd_refusals_total{code="internal"}')).toBe(1);
    commits.broken = false;
  });

  it("tells nobody whether a name is known: both kinds count alike", async () => {
    const server = await measured();
    await registered(server);
    const samplesAfter = async (name: string) => {
      const values = async () => {
        const { body } = await fetchFrom(server, "/metrics");
        return body.split("\n").filter((line) => /^posternd_(logins|second|regis|audit|refus)/.test(line));
      };
      const before = await values();
      await guessPassword(await WireClient.open(server), name);
      const increments = (await values()).map((line) => {
        const [sample = "", value = ""] = line.split(/ (?=[^ ]*$)/);
        const was = before.find((one) => one.startsWith(`${sample} `));
        return [sample, Number(value) - Number(was?.slice(sample.length + 1) ?? 0)];
      });
      return increments.filter(([, increment]) => increment !== 0);
    };
    const known = await samplesAfter("alice");
    expect(known.length).toBeGreaterThan(2);
    expect(await samplesAfter("nobody")).toEqual(known);
  });

  it("has no name, address, id or secret in it, and no more labels than there are kinds", async () => {
    const server = await measured();
    const canary = new Person("canarina");
    await register(await WireClient.open(server), canary, server);
    server.clock.advance(MINUTE);
    await tryCode(server, canary, canary.code(server.clock));
    for (let guess = 0; guess < 40; guess++) await guessPassword(await WireClient.open(server), `canary${guess}`);
    const { body } = await fetchFrom(server, "/metrics");
    expect(body).not.toMatch(/canar|127\.0\.0|(acc|ses|dev|nod)_[0-9a-f]/);
    expect(body.split("\n").filter((line) => line.startsWith("posternd_")).length).toBeLessThan(60);
  });

  it("is for the addresses that may read it, and for nobody behind a proxy", async () => {
    const nobody = await startInProcess(undefined, { http: true, metricsReaders: () => false });
    const refused = await fetchFrom(nobody, "/metrics");
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([403, "metrics_forbidden"]);
    const server = await measured();
    expect((await fetchFrom(server, "/metrics")).status).toBe(200);
    for (const header of ["x-forwarded-for", "forwarded", "via", "x-real-ip"]) {
      expect((await fetchFrom(server, "/metrics", { [header]: "127.0.0.1" })).status).toBe(403);
    }
  });

  it("is not there where it is off", async () => {
    expect((await fetchFrom(await startInProcess(undefined, { http: true }), "/metrics")).status).toBe(404);
  });
});

describe("/readyz", () => {
  it("fails on a disk that takes no more, though one may still read", async () => {
    const memory = createMemoryStorage();
    const disk = { full: false };
    const storage: Storage = {
      read: (fn) => memory.read(fn),
      close: () => memory.close(),
      transact: (fn) =>
        memory.transact((tx) =>
          fn({
            get: (key) => tx.get(key),
            scan: (range) => tx.scan(range),
            delete: (key) => tx.delete(key),
            put: async (key, value) => {
              if (disk.full) throw new PosternError("store_failed");
              await tx.put(key, value);
            },
          }),
        ),
    };
    const server = await startInProcess(await newStore({ storage }), { http: true });
    expect((await fetchFrom(server, "/readyz")).status).toBe(200);
    disk.full = true;
    server.clock.advance(SECOND);
    expect((await fetchFrom(server, "/readyz")).status).toBe(503);
    disk.full = false;
  });
});

describe("a server that is being stopped", () => {
  const never = new Promise<never>(() => undefined);

  it("finishes the login that is under way, and lets nobody else begin", async () => {
    const server = await startInProcess(undefined, { http: true });
    const alice = await registered(server);
    server.clock.advance(MINUTE);
    const midway = await WireClient.open(server);
    await provePassword(midway, alice);
    const atRest = await WireClient.open(server);
    expect(server.running.underWay).toBe(1);

    const drained = server.running.drain(never);
    const ready = await fetchFrom(server, "/readyz");
    expect([ready.status, JSON.parse(ready.body).code]).toEqual([503, "shutting_down"]);
    expect((await fetchFrom(server, "/livez")).status).toBe(200);
    const told = await atRest.reply();
    expect([told?.error?.data.code, told?.error?.data.hint]).toEqual(["shutting_down", expect.stringMatching(/again/)]);
    await atRest.closed;
    await expect(connectRaw(server)).rejects.toMatchObject({ code: "ECONNREFUSED" });

    // A wrong code is no end: the person has another try.
    expect(codeOf(await midway.call("login.code", { code: alice.wrongCode(server.clock) }))).toBe("code_refused");
    const { session } = await midway.ok("login.code", { code: alice.code(server.clock) });
    expect(session).toMatch(/^ses_/);
    await midway.closed;
    expect(await drained).toBe(0);
  });

  it("finishes a registration, and what a fresh code was asked for", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    server.clock.advance(MINUTE);
    const stepping = await WireClient.open(server);
    await provePassword(stepping, alice);
    await stepping.ok("login.code", { code: alice.code(server.clock) });
    server.clock.advance(6 * MINUTE);
    expect(codeOf(await stepping.call("recovery.regenerate", {}))).toBe("step_up_needed");
    expect(server.running.underWay).toBe(1);
    const drained = server.running.drain(never);
    await stepping.ok("session.verify", { code: alice.code(server.clock) });
    const { recovery_codes: codes } = await stepping.ok("recovery.regenerate", {});
    expect(codes).toHaveLength(10);
    await stepping.closed;
    expect(await drained).toBe(0);
  });

  it("waits no longer than it was told to, and says how many it cut off", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const midway = await WireClient.open(server);
    await provePassword(midway, alice);
    let end: () => void = () => undefined;
    const limit = new Promise<void>((resolve) => {
      end = resolve;
    });
    const drained = server.running.drain(limit);
    end();
    expect(await drained).toBe(1);
    const closed = server.close();
    await gone(midway.socket);
    await closed;
    expect((await server.audit()).at(-1)?.event).toBe("server.stop");
  });
});

describe("the operator", () => {
  it("sees the servers that run on a store, and none that has stopped or was killed", async () => {
    const first = await startInProcess(undefined, { http: true });
    const second = await startInProcess(first);
    const { barrier, clock } = first;
    const seen = async () => (await runningServers(barrier, clock.now())).map(({ listen }) => listen).sort();
    expect(await seen()).toEqual([first, second].map(({ port }) => `127.0.0.1:${port}`).sort());
    await second.close();
    expect(await seen()).toEqual([`127.0.0.1:${first.port}`]);
    clock.advance(MINUTE);
    expect(await seen()).toEqual([]);
  });

  it("changes how much all servers of a store log, for a while, and it is on record", async () => {
    const levels: (string | undefined)[] = [];
    const server = await startInProcess(undefined, { onLogLevel: (level) => levels.push(level) });
    const other: (string | undefined)[] = [];
    await setLogLevel(server.context, "debug", HOUR);
    await startInProcess(server, { onLogLevel: (level) => other.push(level) });
    expect(other).toEqual(["debug"]);
    await eventually(() => levels.includes("debug"));
    server.clock.advance(HOUR);
    await eventually(() => levels.at(-1) === undefined);
    expect(await clearLogLevel(server.context)).toBe(true);
    expect(await clearLogLevel(server.context)).toBe(false);
    const rows = (await server.audit()).filter(({ event }) => event.startsWith("log-level"));
    expect(rows.map(({ event, reason }) => [event, reason])).toEqual([
      ["log-level.set", "debug for 60 min"],
      ["log-level.clear", undefined],
    ]);
  });

  it("sees how a store is: who is kept waiting, what lives, what was started last", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    server.clock.advance(MINUTE);
    await tryCode(server, alice, alice.code(server.clock));
    await failPasswords(server, "alice", 5);
    const status = await readStatus(server.barrier, server.clock.now());
    expect(status).toMatchObject({
      accounts: 1,
      sessions: 1,
      budgets: { names: 1, accounts: 0, devices: 0, locked: 0 },
      fingerprint: server.running.fingerprint,
    });
    expect(status.audit.length).toBe((await server.audit()).length);
    expect(status.lastStart).toBeGreaterThan(0);
    expect(status.lastStop).toBeUndefined();
    expect([...status.terms.keys()]).toEqual([1]);
  });
});
