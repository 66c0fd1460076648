import type { Socket } from "node:net";
import { clientEphemeral } from "@postern/shared/srp/client";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.js";
import { SECOND, startInProcess, startWire, type TestLimits } from "../support/in-process.js";
import { logIn, provePassword, registered } from "../support/person.js";
import { Machine, onlyLine, type Server } from "../support/programs.js";
import { connectRaw, gone, type Reply, type Target, WireClient } from "../support/wire-client.js";

const STARTS = 30;
const PLACES = 8;
const limited = { limits: { byAddress: true } satisfies TestLimits };

/** A login that is begun, and no more: the reply. */
async function start(client: WireClient, name = "nobody"): Promise<Reply | undefined> {
  return client.call("login.start", { name, A: clientEphemeral().publicHex });
}

/** Begins a login over a connection of its own, and tells how that was answered. */
async function startFrom(target: Target, address?: string): Promise<Reply | undefined> {
  const client = await WireClient.open(target, address);
  const reply = await start(client);
  await client.close();
  return reply;
}

/** Uses up what an address may begin at once. */
async function exhaust(target: Target, address?: string): Promise<void> {
  for (let begun = 0; begun < STARTS; begun++) expect((await startFrom(target, address))?.error).toBeUndefined();
}

const rateLimited = (retry_after: number) => ({ code: -32025, data: { code: "rate_limited", retry_after } });

describe("the starts of one address", () => {
  it("are thirty, over however many connections; the next is told how long to wait, and then goes on", async () => {
    const server = await startInProcess(undefined, limited);
    await exhaust(server);
    const client = await WireClient.open(server);
    expect(await start(client)).toMatchObject({ error: rateLimited(2) });
    expect(await client.call("register.start", { name: "alice" })).toMatchObject({ error: rateLimited(2) });
    server.clock.advance(1500);
    expect(await start(client)).toMatchObject({ error: rateLimited(1) });
    server.clock.advance(500);
    expect(await start(client)).toHaveProperty("result.B");
    expect((await startFrom(server))?.error).toMatchObject(rateLimited(2));
  });

  it("count registrations, refused ones too, and no call of a session", async () => {
    const server = await startInProcess(undefined, limited);
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const { secret } = await logIn(client, alice, alice.code(server.clock));
    const other = await WireClient.open(server);
    for (let begun = 2; begun < STARTS; begun++) {
      expect(await other.outcome("register.start", { name: begun % 2 === 0 ? "alice" : "no name" })).toMatch(/^name_/);
    }
    expect(await other.outcome("register.start", { name: "bob" })).toBe("rate_limited");
    expect(await other.resumed(secret)).toBe("ok");
    for (let calls = 0; calls < 2 * STARTS; calls++) await client.ok("session.whoami", {});
  });

  it("that are refused cost nothing: no entry of the audit log, and no longer wait", async () => {
    const server = await startInProcess(undefined, limited);
    await exhaust(server);
    const before = (await server.audit()).length;
    const client = await WireClient.open(server);
    for (let tries = 0; tries < 100; tries++) expect(await start(client)).toMatchObject({ error: rateLimited(2) });
    expect(await server.audit()).toHaveLength(before);
    server.clock.advance(2 * SECOND);
    expect(await start(client)).toHaveProperty("result.B");
  });

  it("come back though the clock is set back by a day", async () => {
    const server = await startInProcess(undefined, limited);
    await exhaust(server);
    server.clock.advance(-86_400 * SECOND);
    expect((await startFrom(server))?.error).toMatchObject(rateLimited(2));
    server.clock.advance(2 * SECOND);
    expect((await startFrom(server))?.error).toBeUndefined();
  });
});

describe("attack 51: an address that says it is another one", () => {
  const proxied = [
    "PROXY TCP4 203.0.113.9 127.0.0.1 40000 7465\r\n",
    Buffer.from("0d0a0d0a000d0a515549540a2111000ccb0071097f0000019c401d29", "hex"),
    "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n\r\n",
  ];
  const forwarded = [
    "PROXY TCP4 203.0.113.9 127.0.0.1 40000 7465",
    "X-Forwarded-For: 203.0.113.9",
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "login.start", params: {}, forwarded: "203.0.113.9" }),
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "hello", params: { address: "203.0.113.9" } }),
  ];

  it("by a header before the handshake, or a line after it, is closed, and goes on being counted as itself", async () => {
    const server = await startInProcess(undefined, limited);
    await exhaust(server);
    for (const header of proxied) {
      const raw = await connectRaw(server);
      raw.end(header);
      await gone(raw);
    }
    for (const line of forwarded) {
      const client = await WireClient.connect(server);
      expect((await client.exchange(line))?.error?.data.code).toBe("bad_request");
      await client.closed;
    }
    expect((await startFrom(server))?.error).toMatchObject(rateLimited(2));
  });
});

// All of 127.0.0.0/8 is this machine on Linux; elsewhere only its first address is.
describe.runIf(process.platform === "linux")("another address", () => {
  const elsewhere = "127.0.0.2";

  it("is not kept from its own starts, nor does it pay for anybody's", async () => {
    const server = await startInProcess(undefined, limited);
    await exhaust(server, elsewhere);
    expect((await startFrom(server, elsewhere))?.error).toMatchObject(rateLimited(2));
    const alice = await registered(server);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    await exhaust(server, "127.0.0.3");
  });

  it("attack 52: keeps its connections while one address opens a thousand, of which eight have a place", async () => {
    const server = await startWire({ byAddress: true, deadlines: { handshake: 60 } });
    const alice = await registered(server);
    const honest = await WireClient.open(server);
    await provePassword(honest, alice);
    const waiting = await Promise.all(
      Array.from({ length: 40 }, (_, index) => WireClient.open(server, `127.1.0.${index + 1}`)),
    );
    const sockets = await connectMany(server, 1000, () => elsewhere);
    await eventually(() => sockets.filter(({ closed }) => closed).length === 1000 - PLACES);
    expect(server.admission.unauthenticated).toBe(1 + waiting.length + PLACES);
    for (const client of waiting) expect(await client.outcome("register.start", { name: " " })).toBe("name_invalid");
    expect(await honest.outcome("login.code", { code: alice.code(server.clock) })).toBe("ok");
  });

  it("attack 52: logs in while four thousand slow connections come from five hundred addresses", async () => {
    const server = await startWire({ byAddress: true, deadlines: { handshake: 60 } });
    const alice = await registered(server);
    const spread = (index: number) => `127.2.${index % 2}.${(index >> 1) % 250}`;
    const half = connectMany(server, 2000, spread);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    await half;
    await eventually(() => server.admission.unauthenticated === 512);
    const rest = connectMany(server, 2000, spread);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock, 1));
    await rest;
    expect(server.admission.unauthenticated).toBe(512);
    expect(server.log.errors).toEqual([]);
  });

  /** Connections that never begin a handshake, twenty at a time: the event loop is that of the server too. */
  async function connectMany(target: Target, count: number, from: (index: number) => string): Promise<Socket[]> {
    const sockets: Socket[] = [];
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    while (sockets.length < count) {
      const batch = Array.from({ length: 20 }, (_, index) => connectRaw(target, from(sockets.length + index)));
      for (const socket of await Promise.all(batch)) sockets.push(socket.resume());
    }
    return sockets;
  }
});

describe("the places of one address", () => {
  it("are eight without a session: its own longest waiting gives way to the ninth", async () => {
    const server = await startWire({ byAddress: true });
    const clients: WireClient[] = [];
    for (let made = 0; made < PLACES; made++) clients.push(await WireClient.open(server));
    const [oldest, second, ...rest] = clients as [WireClient, WireClient, ...WireClient[]];
    await start(oldest);
    const ninth = await WireClient.open(server);
    await second.closed;
    expect(server.admission.unauthenticated).toBe(PLACES);
    expect(await oldest.outcome("login.proof", { M1: "ab".repeat(32), mac: "cd".repeat(32) })).toBe("login_failed");
    for (const client of [ninth, ...rest]) expect((await start(client))?.error).toBeUndefined();
  });

  it("are not used up by sessions", async () => {
    const server = await startWire({ byAddress: true });
    const alice = await registered(server);
    const first = await WireClient.open(server);
    const { secret } = await logIn(first, alice, alice.code(server.clock));
    const sessions = [first];
    for (let made = 0; made < 2 * PLACES; made++) {
      const client = await WireClient.open(server);
      await client.resume(secret);
      sessions.push(client);
    }
    for (const client of sessions) await client.ok("session.whoami", {});
  });
});

describe("posternd --address-limits", () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
  });
  afterEach(() => machine.close());

  const targetOf = ({ listen }: Server) => ({ port: Number(listen.split(":").at(-1)) });

  /** How many logins an address begins before it is refused, of so many. */
  async function startsOf(server: Server, most: number, address?: string): Promise<number> {
    const client = await WireClient.open(targetOf(server), address);
    let begun = 0;
    while (begun < most && (await client.outcome("register.start", { name: "no name" })) !== "rate_limited") begun += 1;
    await client.close();
    return begun;
  }

  it.each([
    ["10.0.0.0/33", ["--address-limits", "10.0.0.0/33"], {}],
    ["none", ["--address-limits", "none"], {}],
    ["::1/64,localhost", [], { POSTERND_ADDRESS_LIMITS: "::1/64,localhost" }],
  ])("of %s is a usage error with a hint, before a store is made", async (_text, args, env) => {
    const ended = await machine.hosted("posternd", ["start", "--init", "--json", ...args], { env });
    const hint =
      "write ranges as 10.0.0.0/8,::1/128, one address as 10.0.0.2/32; off is for --address-limits and --metrics";
    expect(onlyLine(ended.stdout)).toMatchObject({ error: { code: "address_range_invalid", hint } });
    expect([ended.code, ended.stderr]).toEqual([2, ""]);
  });

  it("is said at the start, on the terminal and in the log; off is for every address", async () => {
    const server = await machine.startServer(["--http", "off", "--address-limits", "off", "--drain", "0s"]);
    const clients = await Promise.all(Array.from({ length: 20 }, () => WireClient.open(targetOf(server))));
    for (const client of clients) expect((await start(client))?.error).toBeUndefined();
    expect(await startsOf(server, 100)).toBe(100);
    const { stderr } = await server.process.stop();
    expect(stderr).toContain("warning: --address-limits: connections and logins are not limited for any address\n");
    expect(stderr).toContain('"exempt":"any address","msg":"addresses without limits"');
  });

  it("without it, every address has its limits, and nothing is said", async () => {
    const server = await machine.startServer(["--http", "off"]);
    const begun = await startsOf(server, 10_000);
    expect(begun).toBeGreaterThanOrEqual(STARTS);
    expect(begun).toBeLessThan(10_000);
    expect((await server.process.stop()).stderr).not.toContain("limit");
  });

  it.runIf(process.platform === "linux")("of ranges is for those addresses, and for no other", async () => {
    const server = await machine.startServer(["--http", "off", "--address-limits", "127.3.0.0/16,::1/128"]);
    expect(await startsOf(server, 100, "127.3.1.2")).toBe(100);
    expect(await startsOf(server, 10_000, "127.4.1.2")).toBeLessThan(10_000);
    expect((await server.process.stop()).stderr).toContain("not limited for 127.3.0.0/16, ::1/128\n");
  });
});
