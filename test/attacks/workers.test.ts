import { randomBytes } from "node:crypto";
import { clientEphemeral } from "@postern/shared/srp/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLog } from "../../packages/server/src/log.js";
import { Crew, type WorkerProcess } from "../../packages/server/src/workers/crew.js";
import { Member } from "../../packages/server/src/workers/member.js";
import type { Begin, FromWorker } from "../../packages/server/src/workers/messages.js";
import { eventually } from "../support/eventually.js";
import { newStore, startInProcess, type TestServer } from "../support/in-process.js";
import { guessPassword, logIn, registered, startOf } from "../support/person.js";
import { codeOf, connectRaw, type Target, WireClient } from "../support/wire-client.js";

/** Two servers over one store that count together as two workers do: what they say goes through the crew. */
async function startTwo({ byAddress = true } = {}): Promise<[TestServer, TestServer]> {
  const store = await newStore();
  const servers: TestServer[] = [];
  const fork = (begin: Begin): WorkerProcess => {
    let hear: (message: FromWorker) => void = () => undefined;
    const member = new Member(begin, { send: (message) => void setImmediate(() => hear(message)) });
    const starting = startInProcess(store, { crew: member, http: true, limits: { byAddress } });
    void starting.then((server) => {
      servers.push(server);
      hear({ say: "ready", listen: "one", http: undefined, fingerprint: server.running.fingerprint });
    });
    return {
      pid: undefined,
      send: (message) => void setImmediate(() => member.hear(message)),
      onMessage: (listen) => {
        hear = listen;
      },
      onExit: () => undefined,
      kill: () => undefined,
    };
  };
  const server = { instance: randomBytes(16).toString("hex"), pid: process.pid, startedAt: store.clock.now() };
  const crew = new Crew({
    workers: 2,
    server,
    options: {},
    fork,
    log: silentLog,
    figures: undefined,
    now: store.clock.now,
  });
  await crew.start();
  const [first, second] = servers;
  if (first === undefined || second === undefined) throw new Error("two should be there");
  return [first, second];
}

const httpTarget = ({ running }: TestServer): Target => ({ port: running.http?.port ?? 0 });

/** Opens connections by turns, and gives those that are still open once there are no more than so many. */
async function openByTurns(targets: readonly Target[], count: number, kept: number) {
  const sockets = await Promise.all(
    Array.from({ length: count }, (_, index) => connectRaw(targets[index % 2] ?? { port: 0 })),
  );
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.resume();
  await eventually(() => sockets.filter(({ closed }) => !closed).length <= kept);
  return sockets.filter(({ closed }) => !closed).length;
}

describe("attack 52: an address at a server of two processes", () => {
  it("has eight places without a session in all, and not at each of them", async () => {
    const servers = await startTwo();
    expect(await openByTurns(servers, 14, 8)).toBe(8);
  });

  it("has 64 connections at the HTTPS port in all", async () => {
    const servers = await startTwo();
    expect(await openByTurns(servers.map(httpTarget), 70, 64)).toBe(64);
  });

  it("begins thirty logins a minute in all", async () => {
    const servers = await startTwo();
    const codes: string[] = [];
    const { publicHex } = clientEphemeral();
    for (let start = 0; start < 31; start++) {
      const client = await WireClient.open(servers[start % 2] ?? servers[0]);
      codes.push(await client.outcome("login.start", startOf(client, "nobody", publicHex)));
      await client.close();
    }
    expect(codes.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => "ok"));
    expect(codes[30]).toBe("rate_limited");
  });
});

describe("attack 50: guesses at a server of two processes", () => {
  it("have one budget: after four at the two of them the next waits at either", async () => {
    const servers = await startTwo({ byAddress: false });
    const [first, second] = servers;
    const alice = await registered(first);
    const guess = async (server: Target) => codeOf(await guessPassword(await WireClient.open(server), "alice"));
    for (let guesses = 0; guesses < 5; guesses++) {
      expect(await guess(servers[guesses % 2] ?? first)).toBe("login_failed");
    }
    expect([await guess(second), await guess(first)]).toEqual(["throttled", "throttled"]);
    first.clock.advance(30_000);
    await logIn(await WireClient.open(second), alice, alice.code(first.clock));
  });
});

describe("what a server does once", () => {
  it("is done by one of two processes: one presence, one entry of its start", async () => {
    const [first, second] = await startTwo();
    const events = (await second.audit()).map(({ event }) => event);
    expect(events.filter((event) => event === "server.start")).toHaveLength(1);
    await second.close();
    expect((await first.audit()).map(({ event }) => event)).not.toContain("server.stop");
    await first.close();
    expect((await first.audit()).map(({ event }) => event)).toContain("server.stop");
  });
});
