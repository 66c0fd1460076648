import { setMaxListeners } from "node:events";
import { existsSync } from "node:fs";
import type { PosternError } from "@postern/shared/errors";
import { parseServerAddress } from "@postern/shared/server-address";
import { describe, expect, it } from "vitest";
import { type LoginLoadOptions, loadtestLoginCommand } from "../../packages/client/src/cli/loadtest/login.js";
import { deleteAccount, type LoadTarget, makeAccount } from "../../packages/client/src/flows/load/account-care.js";
import { loadLogin } from "../../packages/client/src/flows/load/load-login.js";
import type { Timed } from "../../packages/client/src/flows/load/run-load.js";
import { listPeople } from "../../packages/server/src/services/people.js";
import { DAY, SECOND, type ServerOptions, startInProcess, type TestServer } from "../support/in-process.js";
import { WireClient } from "../support/wire-client.js";
import { LoadBench, type LoadBenchOptions } from "./load-bench.js";

const given = { input: false, trustOnFirstUse: true, requests: "20", concurrency: "5", warmUp: "0", accounts: "2" };

async function bench(options: ServerOptions = {}, more: LoadBenchOptions = {}) {
  const server = await startInProcess(undefined, options);
  const onWait = (seconds: number) => server.clock.advance(seconds * SECOND);
  const machine = await LoadBench.of({ now: server.clock.now, onWait, ...more });
  const run = (wanted: Partial<LoginLoadOptions> = {}) => {
    const options = { ...given, server: `localhost:${server.port}`, ...wanted };
    return loadtestLoginCommand(machine.output, options, machine.host).then(
      () => "done",
      ({ code }: PosternError) => code,
    );
  };
  return { server, machine, run };
}

async function events(server: TestServer): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { event, outcome } of await server.audit()) {
    const told = `${event} ${outcome}`;
    counts[told] = (counts[told] ?? 0) + 1;
  }
  return counts;
}

/** What the log says of a server that nobody has spoken to. */
const untouched = { "store.create done": 1, "server.start done": 1 };

async function people({ barrier, clock }: TestServer): Promise<readonly string[]> {
  const { people } = await listPeople(barrier, {}, { limit: 100 }, clock.now());
  return people.map(({ name }) => name);
}

describe("a load of logins", () => {
  it("is full logins, every one of them granted by password and code, and leaves no account behind", async () => {
    const { server, machine, run } = await bench();
    expect(await run({ warmUp: "3" })).toBe("done");
    expect(machine.facts).toMatchObject({ done: 20, succeeded: 20, failed: 0, errors: {}, limited: false });
    const figures = {
      p50: expect.any(Number),
      p95: expect.any(Number),
      p99: expect.any(Number),
      max: expect.any(Number),
    };
    expect(machine.facts["latency_ms"]).toEqual(figures);
    expect(machine.facts["parts_ms"]).toEqual({ connect: figures, password: figures, code: figures });
    expect(await events(server)).toEqual({
      ...untouched,
      "register done": 2,
      "factor.add done": 2,
      "login granted": 2 + 20 + 3,
      "session.logout done": 20 + 3,
      "account.delete done": 2,
    });
    expect(await people(server)).toEqual([]);
    expect(machine.said).toBe("");
  });

  it("goes where the name led when it was looked at, and by no other look", async () => {
    const { server, machine, run } = await bench({}, { json: false });
    expect(await run({ server: `load.example:${server.port}`, requests: "2", accounts: "1", keep: true })).toBe("done");
    expect(machine.printed).toMatch(
      new RegExp(`^load.example:${server.port}\nrequests    2, 5 at once\nfailed      0\n`),
    );
    const [name] = await people(server);
    expect(name).toMatch(/^loadtest-[0-9a-f]{8}-1$/);
    expect(machine.said).toContain(`The accounts stay: ${name} and so on.`);
  });

  it("is refused for a server elsewhere before anything is sent to it, and before it is trusted", async () => {
    const resolve = async () => [
      { address: "127.0.0.1", family: 4 },
      { address: "192.0.2.7", family: 4 },
    ];
    const { server, machine, run } = await bench({}, { resolve });
    expect(await run()).toBe("target_not_own");
    expect(await events(server)).toEqual(untouched);
    expect(existsSync(machine.host.environment.paths.knownServers)).toBe(false);
  });

  it.each([
    ["closed", "registration_closed"],
    ["invite", "invite_needed"],
  ] as const)("needs a server that takes registrations: %s is told before one is tried", async (registration, code) => {
    const { server, run } = await bench({ registration });
    expect(await run()).toBe(code);
    expect(await events(server)).toEqual(untouched);
  });

  it("ends at Ctrl-C with a summary of what was done until then, and clears up", async () => {
    const { server, machine, run } = await bench({}, { json: false });
    const [outcome] = await Promise.all([run({ requests: "300" }), machine.interruptAt("logins  30 of 300")]);
    expect(outcome).toBe("cancelled");
    const [, done] = /^requests {4}(\d+) of 300, 5 at once$/m.exec(machine.printed) ?? [];
    expect(Number(done)).toBeGreaterThanOrEqual(30);
    expect(Number(done)).toBeLessThan(300);
    expect(machine.printed).toContain("failed      0\n");
    expect(await people(server)).toEqual([]);
  });
});

describe("a load of logins on a server that limits addresses", () => {
  it("counts what it refuses by the code, says so, and exits with a failure", async () => {
    const { machine, run } = await bench({ limits: { byAddress: true } });
    expect(await run({ requests: "35", concurrency: "2", accounts: "1" })).toBe("requests_failed");
    expect(machine.facts).toMatchObject({ succeeded: 30, failed: 5, errors: { rate_limited: 5 }, limited: true });
    expect(machine.said).toContain("start it with\n  --address-limits 127.0.0.0/8,::1/128\n");
  });

  it("is over when not even the accounts can be made, and those that were are deleted", async () => {
    const { server, run } = await bench({ limits: { byAddress: true } });
    for (let start = 0; start < 27; start += 1) {
      const client = await WireClient.open(server);
      await client.ok("register.start", { name: `somebody${start}` });
      await client.close();
    }
    expect(await run({ accounts: "5" })).toBe("load_limited");
    expect(await events(server)).toMatchObject({ "register done": 3, "account.delete done": 3 });
    expect(await people(server)).toEqual([]);
  });
});

describe("a server that goes away", () => {
  it("is told of by the codes of what failed, and with the accounts that are left on it", async () => {
    const { server, machine, run } = await bench({}, { json: false });
    const goneAt = async () => {
      await machine.shows("logins  4 of 20");
      await server.close();
    };
    const [outcome] = await Promise.all([run(), goneAt()]);
    expect(outcome).toBe("requests_failed");
    expect(machine.printed).toMatch(/^(server_unreachable|connection_lost|shutting_down) +\d+ +/m);
    expect(machine.said).toMatch(
      /warning: 2 accounts named loadtest-[0-9a-f]{8}-… are left on the server: the server cannot be reached/,
    );
  });
});

describe("an account that load is put on", () => {
  const timed: Timed = (_part, work) => work();
  const { signal } = new AbortController();
  setMaxListeners(0, signal);

  async function account() {
    const { server, machine } = await bench();
    const choice = {
      address: parseServerAddress(`127.0.0.1:${server.port}`),
      fingerprint: undefined,
      trustOnFirstUse: true,
    };
    const target: LoadTarget = { environment: machine.host.environment, choice, wait: machine.host.wait };
    return { server, target, made: await makeAccount(target, "loadtest-one") };
  }

  it("logs in again after codes of which nobody knows whether they were taken, however many", async () => {
    const { server, target, made } = await account();
    const lost = () => made.inTurn(() => Promise.reject(new Error("no reply"))).catch(() => undefined);
    for (let times = 0; times < 8; times += 1) await lost();
    await loadLogin(target, made, { timed, signal });
    await loadLogin(target, made, { timed, signal });
    expect(await events(server)).toMatchObject({ "login granted": 3 });
  });

  it("gives its codes one after another, to however many logins at once", async () => {
    const { server, target, made } = await account();
    await Promise.all(Array.from({ length: 12 }, () => loadLogin(target, made, { timed, signal })));
    expect(await events(server)).toMatchObject({ "login granted": 13 });
  });

  it("is deleted also when the session that it was made with has ended", async () => {
    const { server, target, made } = await account();
    server.clock.advance(DAY);
    await deleteAccount(target, made);
    expect(await people(server)).toEqual([]);
  });
});
