import { once } from "node:events";
import { type AddressInfo, createServer, Server, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { lookAtPort } from "../../packages/server/src/cli/doctor/ports.js";
import { CONNECTIONS_AN_ADDRESS } from "../../packages/server/src/http/door.js";
import { AWAITED_OF_ADDRESS, Awaited } from "../../packages/server/src/proxy-protocol/awaited.js";
import { expectHeaders } from "../../packages/server/src/proxy-protocol/door.js";
import { localHeader } from "../../packages/server/src/proxy-protocol/header.js";
import { addressOf, isTold, isUnnamed } from "../../packages/server/src/proxy-protocol/source.js";
import { apiKey, call } from "../support/api.js";
import { type Delivery, type Says, startBalancer } from "../support/balancer.js";
import { eventually } from "../support/eventually.js";
import { ask, type HttpTarget } from "../support/https.js";
import { HOUR, MINUTE, type ServerOptions, startInProcess, type TestServer } from "../support/in-process.js";
import { becomeKnown, guessPassword, logIn, registered, tryPassword } from "../support/person.js";
import { binaryHeader, binaryHeaderOf, lineHeader } from "../support/proxy-header.js";
import { clientHello, codeOf, connectRaw, gone, handshake, WireClient } from "../support/wire-client.js";

/** A server of which 127.0.0.1 is a balancer, and no other address. */
function behindBalancer(options: ServerOptions = {}): Promise<TestServer> {
  const balancers = (address: string) => address === "127.0.0.1";
  return startInProcess(undefined, { http: true, balancers, metricsReaders: balancers, ...options });
}

const httpOf = ({ running }: TestServer) => running.http?.port ?? 0;
const asSite = ({ port }: { port: number }): HttpTarget => ({ running: { http: { port } } });

/** The way through a balancer to each port. */
const wireBy = (server: TestServer, says: Says, delivery?: Delivery) => startBalancer(server.port, says, delivery);
const siteBy = async (server: TestServer, says: Says, delivery?: Delivery) =>
  asSite(await startBalancer(httpOf(server), says, delivery));

/** The bytes that a port says to a connection before it is gone. */
async function saidTo(port: number, bytes: Buffer, localAddress: string): Promise<string> {
  const socket = await connectRaw({ port }, localAddress);
  let said = "";
  socket.on("data", (chunk: Buffer) => {
    said += chunk.toString("latin1");
  });
  socket.write(bytes);
  await gone(socket);
  return said;
}

async function refusals(server: TestServer): Promise<Record<string, number>> {
  const site = await siteBy(server, () => lineHeader("127.0.0.1"));
  const { text } = await ask(site, "/metrics");
  const found = text.matchAll(/^posternd_proxy_header_refusals_total\{reason="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, reason, count]) => [reason, Number(count)]));
}

const portsOf = (server: TestServer) => [server.port, httpOf(server)];

describe("a PROXY header, at either port", () => {
  it("attack 51: of an address that is no balancer's is believed by nobody: it is no TLS", async () => {
    const server = await behindBalancer();
    for (const port of portsOf(server)) {
      for (const header of [lineHeader("203.0.113.7"), binaryHeaderOf("203.0.113.7"), localHeader]) {
        const said = await saidTo(port, Buffer.concat([header, await clientHello()]), "127.0.0.9");
        // An alert, or nothing: no hello of the server's (handshake record, 0x16).
        expect(said.startsWith("\x16")).toBe(false);
      }
    }
    expect(await refusals(server)).toEqual({});
  });

  it("is asked of a balancer's address: without one there is no handshake; it is counted, and logged once a minute", async () => {
    const server = await behindBalancer();
    const hello = await clientHello();
    const unix = binaryHeader(0x21, 0x31, Buffer.alloc(216));
    for (const port of portsOf(server)) {
      for (const bytes of [hello, Buffer.from("GET / HTTP/1.1\r\n\r\n"), hello]) {
        expect(await saidTo(port, bytes, "127.0.0.1")).toBe("");
      }
      server.clock.advance(MINUTE);
      expect(await saidTo(port, Buffer.concat([unix, hello]), "127.0.0.1")).toBe("");
    }
    expect(await refusals(server)).toEqual({ none: 6, malformed: 2 });
    const logged = [
      { balancer: "127.0.0.1", header: "none", closed: 1 },
      { balancer: "127.0.0.1", header: "malformed", closed: 3 },
    ];
    expect(server.log.entries.map(({ facts }) => facts)).toEqual([...logged, ...logged]);
  });

  it("that does not come in its time is waited for no longer, however its bytes trickle in", async () => {
    const server = await behindBalancer({ limits: { deadlines: { handshake: 0.05 } } });
    for (const port of portsOf(server)) {
      const socket = await connectRaw({ port }, "127.0.0.1");
      socket.write("PROXY TCP4 ");
      const trickle = setInterval(() => socket.write("1"), 10);
      await gone(socket);
      clearInterval(trickle);
    }
    expect(server.log.entries.map(({ facts }) => facts)).toMatchObject([{ header: "late" }, { header: "late" }]);
  });

  it("that never comes, since the connection ends, is no fault: so a balancer may see whether somebody listens", async () => {
    const server = await behindBalancer();
    for (const port of portsOf(server)) {
      const socket = await connectRaw({ port }, "127.0.0.1");
      socket.end();
      await gone(socket);
    }
    expect([await refusals(server), server.log.entries]).toEqual([{}, []]);
  });

  it("that is awaited keeps no server from stopping", async () => {
    const server = await behindBalancer();
    const sockets = await Promise.all(portsOf(server).map((port) => connectRaw({ port }, "127.0.0.1")));
    for (const socket of sockets) socket.write("PROXY ");
    await server.close();
    await Promise.all(sockets.map(gone));
    expect(server.log.entries).toEqual([]);

    const closing = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void closing.close());
    await once(closing, "listening");
    const { clock, log } = server;
    expectHeaders(closing, { covers: () => true, patienceMs: HOUR, now: clock.now, log })();
    await gone(await connectRaw(closing.address() as AddressInfo));
  });
});

describe("connections that a balancer passes on", () => {
  it.each<Delivery>(["alone", "by bytes", "with the first bytes"])(
    "are whose it says, for session and audit, and bound to the client's own TLS: the header %s",
    async (delivery) => {
      const server = await behindBalancer();
      const target = await wireBy(server, (address) => binaryHeaderOf(address), delivery);
      const alice = await registered({ ...target, clock: server.clock });
      const client = await WireClient.open(target, "127.0.0.7");
      await logIn(client, alice, alice.code(server.clock));
      const { sessions } = await client.ok("session.list", {});
      expect(sessions).toMatchObject([{ address: "127.0.0.7" }]);
      const logins = (await server.audit()).filter(({ event }) => event === "login");
      expect(logins.map(({ personal }) => personal.address)).toEqual(["127.0.0.7"]);
      const site = await siteBy(server, (address) => lineHeader(address), delivery);
      expect((await ask(site, "/livez", { localAddress: "127.0.0.7" })).text).toBe('{"status":"ok"}');
    },
  );

  it("attack 51: are limited by the client's address, a whole /64 as one, and never by the balancer's", async () => {
    const server = await behindBalancer({ limits: { byAddress: true } });
    const network = new Map([
      ["127.0.0.2", "2001:db8:1:2::1"],
      ["127.0.0.3", "2001:db8:1:2:ffff::1"],
      ["127.0.0.4", "2001:db8:1:3::1"],
      ["127.0.0.5", "::ffff:198.51.100.5"],
      ["127.0.0.6", "198.51.100.5"],
    ]);
    const target = await wireBy(server, (address) => lineHeader(network.get(address) ?? address));
    const outcomes = async (address: string, count: number) => {
      const client = await WireClient.open(target, address);
      const seen: string[] = [];
      for (let begun = 0; begun < count; begun += 1) {
        seen.push(codeOf(await client.call("register.start", { name: "no name" })));
      }
      await client.close();
      return seen;
    };
    expect(new Set(await outcomes("127.0.0.2", 30))).toEqual(new Set(["name_invalid"]));
    expect(await outcomes("127.0.0.3", 1)).toEqual(["rate_limited"]);
    expect(await outcomes("127.0.0.4", 1)).toEqual(["name_invalid"]);
    expect(new Set(await outcomes("127.0.0.5", 30))).toEqual(new Set(["name_invalid"]));
    expect(await outcomes("127.0.0.6", 1)).toEqual(["rate_limited"]);
  });

  it("attack 52: of one client take the places of that client, on either port, and of nobody else", async () => {
    const server = await behindBalancer({ limits: { byAddress: true } });
    const target = await wireBy(server, lineHeader);
    const first = await WireClient.open(target, "127.0.0.2");
    const other = await WireClient.open(target, "127.0.0.3");
    for (let open = 1; open < 9; open += 1) await WireClient.open(target, "127.0.0.2");
    await first.closed;
    expect(codeOf(await other.call("login.start", {}))).toBe("bad_request");

    const way = await startBalancer(httpOf(server), lineHeader);
    const held: Socket[] = [];
    for (let count = 0; count <= CONNECTIONS_AN_ADDRESS; count += 1) held.push(await connectRaw(way, "127.0.0.2"));
    await Promise.any(held.map(gone));
    expect((await ask(asSite(way), "/livez", { localAddress: "127.0.0.3" })).status).toBe(200);
  });

  it("promise 13: a person who is known goes on where strangers guess through the same balancer", async () => {
    const server = await behindBalancer();
    const target = await wireBy(server, lineHeader);
    const alice = await registered({ ...target, clock: server.clock });
    const device = await becomeKnown(target, alice, alice.code(server.clock));
    const stranger = async () => guessPassword(await WireClient.open(target, "127.0.0.66"), "alice");
    for (let guess = 0; guess < 5; guess += 1) await stranger();
    expect(codeOf(await stranger())).toBe("throttled");
    expect(await tryPassword(target, alice, device)).toBe("ok");
  });

  it("whose client reads /metrics are judged by the client's address, and refused where there is none", async () => {
    const server = await behindBalancer();
    const site = await siteBy(server, lineHeader);
    expect((await ask(site, "/metrics", { localAddress: "127.0.0.7" })).status).toBe(403);
    for (const header of [localHeader, Buffer.from("PROXY UNKNOWN\r\n"), binaryHeader(0x21, 0, Buffer.alloc(0))]) {
      const own = await siteBy(server, () => header);
      expect((await ask(own, "/readyz")).text).toBe('{"status":"ready"}');
      expect((await ask(own, "/metrics")).status).toBe(403);
    }
    const reader = await siteBy(server, () => lineHeader("127.0.0.1"));
    expect((await ask(reader, "/metrics")).status).toBe(200);
  });

  it("attack 51: are nobody's when they are reset behind a request: nothing is done that the log has no address of", async () => {
    const server = await behindBalancer();
    const { text: key } = await apiKey(server.context, ["admin"]);
    const body = '{"level":"debug"}';
    const head = `host: a\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
    for (const [address, header] of [
      ["127.0.0.1", lineHeader("203.0.113.7")],
      ["127.0.0.9", ""],
    ] as const) {
      const raw = await connectRaw({ port: httpOf(server) }, address);
      raw.write(header);
      const client = await handshake(raw, { ALPNProtocols: ["http/1.1"] });
      client.write(`PUT /v1/admin/log-level HTTP/1.1\r\n${head}\r\n\r\n${body}`, () => raw.resetAndDestroy());
      await gone(raw);
      expect((await ask(server, "/livez", { localAddress: "127.0.0.9" })).status).toBe(200);
    }
    const rows = (await server.audit()).filter(({ event }) => event === "log-level.set");
    expect(rows.map(({ personal }) => personal.address)).not.toContain("unknown");
  });

  it("attack 51: have no X-Forwarded-For, whoever their client is", async () => {
    const server = await behindBalancer({ trustedProxy: (address) => address === "127.0.0.9" });
    const { text: key } = await apiKey(server.context, ["admin"]);
    const headers = { "x-forwarded-for": "203.0.113.7" };
    const changed = { method: "PUT" as const, key, headers, body: { level: "debug" } };
    for (const source of ["127.0.0.9", "198.51.100.1"]) {
      const site = await siteBy(server, () => lineHeader(source));
      expect((await call(site, "/v1/admin/log-level", changed)).status).toBe(200);
    }
    const rows = (await server.audit()).filter(({ event }) => event === "log-level.set");
    expect(rows.map(({ personal }) => personal.address)).toEqual(["127.0.0.9", "198.51.100.1"]);
  });
});

describe("a connection whose sockets say", () => {
  it("that its balancer is another machine is nobody's of this machine, whatever its header says", async () => {
    const server = new Server();
    const { clock, log } = await behindBalancer();
    expectHeaders(server, { covers: () => true, patienceMs: MINUTE, now: clock.now, log });
    for (const source of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
      const socket = new PassThrough();
      const raw = Object.assign(socket, { remoteAddress: "192.0.2.64" }) as unknown as Socket;
      server.emit("connection", raw);
      socket.write(lineHeader(source));
      await eventually(() => isTold(raw) || isUnnamed(raw));
      expect(addressOf(raw)).toBe("192.0.2.64");
    }
  });

  it("that it has the ends of one that was reset just before is whose its own header says, though the other one is seen to close only then", async () => {
    const server = new Server();
    const { clock, log } = await behindBalancer();
    expectHeaders(server, { covers: () => true, patienceMs: MINUTE, now: clock.now, log });
    const ends = { remoteAddress: "127.0.0.1", remotePort: 50_000, localAddress: "127.0.0.1", localPort: 7465 };
    const socketWith = () => Object.assign(new PassThrough(), ends) as unknown as Socket;
    const connected = async (source: string) => {
      const socket = socketWith();
      server.emit("connection", socket);
      (socket as unknown as PassThrough).write(lineHeader(source));
      await eventually(() => isTold(socket));
      return socket;
    };
    const first = await connected("192.0.2.1");
    await connected("192.0.2.2");
    first.emit("close");
    const secured = socketWith();
    server.emit("secureConnection", secured);
    expect(addressOf(secured)).toBe("192.0.2.2");
  });
});

describe("attack 52: connections whose header is awaited", () => {
  it("are so many of one address, and then the one longest there gives way; others are not touched", () => {
    const awaited = new Awaited();
    const ended: string[] = [];
    const add = (address: string, name: string) => {
      const leave = awaited.add(address, (why) => {
        leave();
        ended.push(`${name} ${why}`);
      });
    };
    add("192.0.2.2", "other");
    for (let count = 0; count < AWAITED_OF_ADDRESS + 2; count += 1) add("192.0.2.1", `${count}`);
    expect(ended).toEqual(["0 crowded", "1 crowded"]);
    expect(awaited.size).toBe(AWAITED_OF_ADDRESS + 1);
    for (let count = 0; count < AWAITED_OF_ADDRESS; count += 1) add("192.0.2.3", `of three ${count}`);
    expect(ended.slice(2)).toEqual(["other crowded"]);
    awaited.close();
    expect(awaited.size).toBe(0);
  });
});

describe("the doctor on the machine of a balancer", () => {
  it("sends a header of its own, and so knows a posternd", async () => {
    const server = await behindBalancer();
    const { listen, http = listen } = server.running;
    const balancers = (address: string) => address === "127.0.0.1";
    const what = expect.stringContaining("a posternd");
    expect(await lookAtPort("listen", listen, balancers)).toMatchObject({ verdict: "ok", what });
    expect(await lookAtPort("http", http, balancers)).toMatchObject({ verdict: "ok", what });
    expect(await refusals(server)).toEqual({});
    expect(await lookAtPort("listen", listen)).toMatchObject({ verdict: "fail" });
  });
});
