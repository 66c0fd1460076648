import { describe, expect, it } from "vitest";
import { apiKey, type Call, call } from "../../../../test/support/api.js";
import { entered } from "../../../../test/support/entered.js";
import { newStore, SECOND, startInProcess, type TestServer } from "../../../../test/support/in-process.js";
import { storedLogLevel } from "../../src/services/log-level.js";
import { version } from "../../src/version.js";

interface Watched {
  readonly server: TestServer;
  readonly application: string;
  ask(path: string, options?: Call): ReturnType<typeof call>;
}

/** A server, and an application that watches over it. */
async function watched(): Promise<Watched> {
  const server = await startInProcess(await newStore(), { http: true });
  const { key, text } = await apiKey(server.context, ["admin"]);
  return {
    server,
    application: key.application,
    ask: (path, options) => call(server, `/v1/admin/${path}`, { key: text, ...options }),
  };
}

const put = (body: object): Call => ({ method: "PUT", body });

describe("the admin routes", () => {
  it("are for keys with their scope alone", async () => {
    const { server } = await watched();
    const { text: other } = await apiKey(server.context, ["otp", "totp", "hotp", "challenge", "session"]);
    const routes: [string, Call][] = [
      ["status", {}],
      ["version", {}],
      ["log-level", {}],
      ["log-level", put({ level: "debug" })],
    ];
    for (const [path, options] of routes) {
      const at = `/v1/admin/${path}`;
      expect(await call(server, at, options), path).toMatchObject({ status: 401, body: { code: "api_key_invalid" } });
      const refused = await call(server, at, { ...options, key: other });
      expect(refused, path).toMatchObject({ status: 403, body: { code: "scope_missing" } });
    }
    expect(await storedLogLevel(server.barrier, server.clock.now())).toBeUndefined();
  });

  it("take nothing in a query, which would stand in access logs", async () => {
    const { server, ask } = await watched();
    const routes: [string, Call][] = [
      ["status", {}],
      ["version", {}],
      ["log-level", {}],
      ["log-level", put({ level: "debug" })],
    ];
    for (const [path, options] of routes) {
      expect(await ask(`${path}?code=123456`, options), path).toMatchObject({
        status: 422,
        body: { code: "invalid_input" },
      });
    }
    expect(await storedLogLevel(server.barrier, server.clock.now())).toBeUndefined();
  });

  it("tell which program this is", async () => {
    const { ask } = await watched();
    expect(await ask("version")).toMatchObject({ status: 200, body: { name: "posternd", version } });
  });

  it("tell how the store is, which servers run, and name nobody", async () => {
    const { server, ask } = await watched();
    await entered({ at: server, since: 30 * SECOND });
    const { status, headers, body } = await ask("status");
    expect([status, headers["cache-control"]]).toEqual([200, "no-store"]);
    expect(body).toMatchObject({
      version,
      uptime: 30,
      draining: false,
      store: { commits: true, format: 1, terms: [{ term: 1, records: expect.any(Number) }] },
      audit: { length: (await server.audit()).length, head: expect.stringMatching(/^[0-9a-f]{64}$/) },
      fingerprint: server.running.fingerprint,
      accounts: 1,
      sessions: 1,
      throttled: { names: 0, accounts: 0, devices: 0 },
      locked: 0,
      signing_keys: [{ state: "signs" }],
      log_level: null,
      last_stop_at: null,
      servers: [{ pid: process.pid, listen: server.running.listen.key, http: server.running.http?.key }],
    });
    expect(Date.parse(String(body["started_at"]))).toBe(server.clock.now() - 30 * SECOND);
    expect(JSON.stringify(body)).not.toMatch(/alice|acc_|ses_/);
  });

  it("go through the store once, however many ask at the same time", async () => {
    const { server, ask } = await watched();
    let counted = 0;
    const { countTerms } = server.barrier;
    server.barrier.countTerms = () => {
      counted += 1;
      return countTerms.call(server.barrier);
    };
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask("status")));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(counted).toBeLessThan(8);
    const before = counted;
    await ask("status");
    expect(counted).toBe(before + 1);
  });

  it("tell that the store cannot commit, in place of failing over it", async () => {
    const { server, ask } = await watched();
    await ask("version");
    const { transact } = server.barrier;
    server.barrier.transact = () => Promise.reject(new Error("the disk is full"));
    const { status, body } = await ask("status");
    server.barrier.transact = transact;
    expect([status, body]).toMatchObject([200, { store: { commits: false } }]);
    expect((await ask("status")).body).toMatchObject({ store: { commits: true } });
  });

  it("set the level of all servers for a while or for good and clear it, each on record with who did it", async () => {
    const { server, application, ask } = await watched();
    const set_at = new Date(server.clock.now()).toISOString();
    const expires_at = new Date(server.clock.now() + 90_000).toISOString();
    const none = { level: null, set_at: null, expires_at: null };
    expect((await ask("log-level")).body).toEqual(none);
    const timed = await ask("log-level", put({ level: "debug", expires_in: 90 }));
    expect([timed.status, timed.body]).toEqual([200, { level: "debug", set_at, expires_at }]);
    expect((await ask("log-level")).body).toEqual(timed.body);
    expect((await ask("status")).body["log_level"]).toBe("debug");
    server.clock.advance(90_000);
    expect((await ask("log-level")).body).toEqual(none);
    expect((await ask("status")).body["log_level"]).toBeNull();
    expect((await ask("log-level", put({ level: "warn" }))).body).toMatchObject({ level: "warn", expires_at: null });
    expect((await ask("log-level", put({ level: null }))).body).toEqual(none);
    await ask("log-level", put({ level: null }));
    const told = (await server.audit()).filter(({ event }) => event.startsWith("log-level."));
    const by = { application, outcome: "done", personal: { address: "127.0.0.1" } };
    expect(told).toMatchObject([
      { ...by, event: "log-level.set", reason: "debug for 90 s" },
      { ...by, event: "log-level.set", reason: "warn" },
      { ...by, event: "log-level.clear" },
    ]);
  });

  it.each([
    ["a level that there is not", { level: "trace" }],
    ["no level", {}],
    ["a span below a minute", { level: "debug", expires_in: 59 }],
    ["a span above thirty days", { level: "debug", expires_in: 2_592_001 }],
    ["a span that is no integer", { level: "debug", expires_in: "60" }],
    ["an end of what is cleared", { level: null, expires_in: 60 }],
    ["a member that is not known", { level: "debug", until: "tomorrow" }],
  ])("refuse %s, and change nothing", async (_what, body) => {
    const { server, ask } = await watched();
    expect(await ask("log-level", put(body))).toMatchObject({ status: 422, body: { code: "invalid_input" } });
    expect(await storedLogLevel(server.barrier, server.clock.now())).toBeUndefined();
  });
});
