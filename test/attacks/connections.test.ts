import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls, createSecureContext, TLSSocket } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { PROTOCOL } from "@postern/shared/messages";
import { clientEphemeral } from "@postern/shared/srp/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";
import { defaultLimits } from "../../packages/server/src/server.js";
import { currentIdentity } from "../../packages/server/src/services/server-identity.js";
import { judgeStrangerGuess, NEW_COUNTERS_AN_HOUR } from "../../packages/server/src/services/stranger-counters.js";
import { Admission } from "../../packages/server/src/wire/admission.js";
import { Connection } from "../../packages/server/src/wire/connection.js";
import { eventually } from "../support/eventually.js";
import {
  CapturedLog,
  contextOf,
  HOUR,
  newStore,
  startInProcess,
  startWire,
  type TestWire,
} from "../support/in-process.js";
import { logIn, type Person, provePassword, registered, startLogin } from "../support/person.js";
import {
  clientHello,
  codeOf,
  connectRaw,
  gone,
  handshake,
  hello,
  requestLine,
  WireClient,
} from "../support/wire-client.js";

const openHandles = (kind: string) => process.getActiveResourcesInfo().filter((name) => name === kind).length;

describe("TLS", () => {
  it("attack 56: TLS 1.2 is refused", async () => {
    const server = await startInProcess();
    const raw = await connectRaw(server);
    const old = handshake(raw, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" });
    await expect(old).rejects.toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
    await WireClient.open(server);
  });

  it("a connection without the protocol's name in ALPN, or with another one, gets no word", async () => {
    const server = await startInProcess();
    const socket = await handshake(await connectRaw(server), { ALPNProtocols: [] });
    const received: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    socket.write(`${requestLine("hello", hello)}\n`);
    await gone(socket);
    expect(received).toEqual([]);
    const other = handshake(await connectRaw(server), { ALPNProtocols: ["h2"] });
    await expect(other).rejects.toThrow();
    const both = await handshake(await connectRaw(server), { ALPNProtocols: ["h2", PROTOCOL] });
    expect(both.alpnProtocol).toBe(PROTOCOL);
    both.destroy();
  });

  it("no connection is a resumed one: each has a handshake and an exporter of its own", async () => {
    const server = await startInProcess();
    const first = await handshake(await connectRaw(server));
    const sessions: Buffer[] = [];
    first.on("session", (session: Buffer) => sessions.push(session));
    const before = new WireClient(first, first);
    await before.ok("hello", hello);
    const session = sessions.at(-1) ?? first.getSession();
    const again = await handshake(await connectRaw(server), session === undefined ? {} : { session });
    const after = new WireClient(again, again);
    await after.ok("hello", hello);
    expect(again.isSessionReused()).toBe(false);
    expect(after.exporter).not.toEqual(before.exporter);
    await Promise.all([before.close(), after.close()]);
  });

  it("plain text on the port is closed, and harms nothing", async () => {
    const server = await startWire();
    for (const text of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", `${requestLine("hello", hello)}\n`, "\0\0\0\0", "\n"]) {
      const raw = await connectRaw(server);
      raw.end(text);
      await gone(raw);
    }
    await WireClient.open(server);
    await eventually(() => server.admission.open === 1);
    expect(server.log.errors).toEqual([]);
  });
});

describe("attack 7: a connection cut at each of its steps", () => {
  const cuts: Record<string, (server: TestWire, alice: Person) => Promise<Socket>> = {
    "at once": (server) => connectRaw(server),
    "in the middle of its first record": async (server) => {
      const raw = await connectRaw(server);
      raw.write(Buffer.from("160301020001", "hex"));
      return raw;
    },
    "in the handshake": async (server) => {
      const raw = await connectRaw(server);
      raw.write(await clientHello());
      await new Promise((resolve) => raw.once("data", resolve));
      return raw;
    },
    "after the handshake": async (server) => (await WireClient.connect(server)).raw,
    "in the middle of a request": async (server) => {
      const client = await WireClient.connect(server);
      client.send('{"jsonrpc"');
      return client.raw;
    },
    "after hello": async (server) => (await WireClient.open(server)).raw,
    "with a request under way": async (server) => {
      const client = await WireClient.open(server);
      client.send(`${requestLine("login.start", { name: "alice", A: clientEphemeral().publicHex })}\n`);
      return client.raw;
    },
    "before the proof": async (server) => {
      const client = await WireClient.open(server);
      await startLogin(client, "alice");
      return client.raw;
    },
    "before the code": async (server, alice) => {
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      return client.raw;
    },
    "before the first code": async (server) => {
      const client = await WireClient.open(server);
      await client.ok("register.start", { name: "mallory" });
      await client.ok("register.verifier", { verifier: clientEphemeral().publicHex });
      return client.raw;
    },
  };

  it.each(Object.entries(cuts))("reset %s, a hundred times: no socket, place or state stays", async (_name, cut) => {
    const server = await startWire();
    const alice = await registered(server);
    await eventually(() => server.admission.open === 0);
    const before = openHandles("TCPSocketWrap");
    for (let round = 0; round < 5; round++) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => cut(server, alice)));
      for (const socket of sockets) socket.resetAndDestroy();
      await Promise.all(sockets.map(gone));
    }
    await eventually(() => server.admission.open === 0 && openHandles("TCPSocketWrap") <= before);
    expect(server.log.errors).toEqual([]);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
  });

  /** From a port that was given up a moment ago, once the kernel has it back; undefined where somebody else took it. */
  async function connectFrom(localPort: number, port: number): Promise<Socket | undefined> {
    for (let turns = 0; turns < 500; turns++) {
      const socket = connectTcp({ host: "127.0.0.1", port, localAddress: "127.0.0.1", localPort });
      const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) =>
        socket.once("connect", () => resolve(undefined)).once("error", resolve),
      );
      if (failure === undefined) return socket;
      if (failure.code !== "EADDRINUSE") throw failure;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return undefined;
  }

  it("and its port taken again at once: the next connection is heard, though the other one is seen to close only then", async () => {
    const server = await startInProcess();
    let taken = 0;
    for (let round = 0; round < 50 && taken < 5; round++) {
      const { raw } = await WireClient.open(server);
      const { localPort } = raw as { localPort: number };
      raw.resetAndDestroy();
      const next = await connectFrom(localPort, server.port);
      if (next === undefined) continue;
      taken += 1;
      const socket = await handshake(next);
      socket.write(`${requestLine("hello", hello)}\n`);
      const heard = await Promise.race([once(socket, "data"), gone(socket)]);
      expect(heard, "no word").toBeDefined();
      socket.destroy();
    }
    expect(taken).toBe(5);
  });
});

describe("deadlines", () => {
  const short = 0.05;

  it("a socket that says nothing is gone when the handshake's time is up, and so is one that trickles", async () => {
    const server = await startWire({ deadlines: { handshake: short } });
    const [silent, trickling] = [await connectRaw(server), await connectRaw(server)];
    const record = Buffer.from("1603010200010001fc0303", "hex");
    let at = 0;
    const drip = setInterval(() => trickling.write(record.subarray(at % record.length, (at++ % record.length) + 1)), 5);
    await Promise.all([gone(silent), gone(trickling)]);
    clearInterval(drip);
    await eventually(() => server.admission.open === 0);
  });

  it.each<[string, (client: WireClient) => Promise<unknown>]>([
    ["hello", async () => undefined],
    ["start", (client) => client.ok("hello", hello)],
    [
      "proof",
      async (client) => {
        await client.ok("hello", hello);
        await startLogin(client, "alice");
      },
    ],
  ])("a connection that stays in %s is told step_timeout and closed", async (_name, reach) => {
    const server = await startInProcess(undefined, { limits: { deadlines: { step: 1 } } });
    const client = await WireClient.connect(server);
    await reach(client);
    expect(await client.reply()).toMatchObject({ id: null, error: { data: { code: "step_timeout" } } });
    expect(await client.reply()).toBeUndefined();
  });

  it("bytes that trickle in do not prolong a step", async () => {
    const server = await startInProcess(undefined, { limits: { deadlines: { step: 1 } } });
    const client = await WireClient.connect(server);
    const drip = setInterval(() => client.send(" "), 5);
    onTestFinished(() => clearInterval(drip));
    expect(codeOf(await client.reply())).toBe("step_timeout");
    clearInterval(drip);
    await client.closed;
  });

  it("a registration has one deadline for both of its steps: going on does not begin a new one", async () => {
    const server = await startInProcess(undefined, { limits: { deadlines: { registration: 1 } } });
    const [first, second] = [await WireClient.open(server), await WireClient.open(server)];
    const ended: string[] = [];
    const watch = async (client: WireClient, name: string) => {
      expect(codeOf(await client.reply())).toBe("step_timeout");
      ended.push(name);
    };
    await first.ok("register.start", { name: "mallory" });
    await second.ok("register.start", { name: "trent" });
    await first.ok("register.verifier", { verifier: clientEphemeral().publicHex });
    await Promise.all([watch(first, "first"), watch(second, "second")]);
    expect(ended).toEqual(["first", "second"]);
  });

  it("a registration is told how long it has left, counted from its start", async () => {
    const server = await startInProcess();
    const client = await WireClient.open(server);
    await client.ok("register.start", { name: "mallory" });
    server.clock.advance(100_000);
    const { expires_in } = await client.ok("register.verifier", { verifier: clientEphemeral().publicHex });
    expect(expires_in).toBe(500);
  });
});

describe("attack 52: more slow connections than there are places", () => {
  // All of 127.0.0.0/8 is this machine on Linux; elsewhere only its first address is.
  const linux = process.platform === "linux";
  const addresses = Array.from({ length: 8 }, (_, index) => (linux ? `127.0.0.${index + 2}` : "127.0.0.1"));

  async function occupy(count: number, seat: (address: string) => Promise<Socket>): Promise<Socket[]> {
    const sockets: Socket[] = [];
    for (let made = 0; made < count; made += addresses.length) {
      sockets.push(...(await Promise.all(addresses.map(seat))));
    }
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    return sockets;
  }

  it("700 that never begin a handshake: honest logins go on, and no more than 512 have a place", async () => {
    const server = await startWire({ deadlines: { handshake: 60 } });
    const alice = await registered(server);
    await occupy(700, (address) => connectRaw(server, address));
    await eventually(() => server.admission.open === 512);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    expect(server.admission.open).toBeLessThanOrEqual(513);
  });

  it("300 that said hello and wait, with 128 places: the longest waiting give way to honest logins", async () => {
    const server = await startWire({ unauthenticated: 128 });
    const alice = await registered(server);
    const idle = await occupy(300, async (address) => (await WireClient.open(server, address)).raw);
    expect(server.admission.open).toBe(128);
    const client = await WireClient.open(server);
    await logIn(client, alice, alice.code(server.clock));
    await client.ok("session.whoami", {});
    await eventually(() => idle.filter(({ closed }) => closed).length >= 300 - 128);
    expect(server.admission.open).toBeLessThanOrEqual(129);
  });

  it("all places taken, and new connections all the time: an honest login gets through its steps", async () => {
    const server = await startWire({ unauthenticated: 128 });
    const alice = await registered(server);
    await occupy(160, (address) => connectRaw(server, address));
    await eventually(() => server.admission.open === 128);
    let flooding = true;
    // One after another: the event loop that both ends share takes in one connection a turn.
    const flood = (async () => {
      for (let made = 0; flooding; made++) {
        const socket = await connectRaw(server, addresses[made % addresses.length]);
        onTestFinished(() => void socket.destroy());
      }
      return server.admission.open;
    })();
    try {
      for (const offset of [0, 1]) {
        await logIn(await WireClient.open(server), alice, alice.code(server.clock, offset));
      }
    } finally {
      flooding = false;
    }
    expect(await flood).toBeGreaterThanOrEqual(128);
    expect(server.admission.open).toBeLessThanOrEqual(130);
  });

  it("a person cannot gather places by logging out many connections of one session", async () => {
    const server = await startWire({ unauthenticated: 8 });
    const alice = await registered(server);
    const { secret } = await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    const clients: WireClient[] = [];
    for (let made = 0; made < 24; made++) {
      const client = await WireClient.open(server);
      await client.resume(secret);
      clients.push(client);
    }
    expect(server.admission.open).toBe(25);
    await Promise.all(clients.map((client) => client.call("session.logout")));
    await eventually(() => server.admission.unauthenticated <= 8);
  });

  it("an idle client does not block the next one, nor does one in the middle of a line", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await connectRaw(server);
    await WireClient.connect(server);
    (await WireClient.open(server)).send('{"jsonrpc":"2.0"');
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
  });
});

describe("attack 54: a client that never reads", () => {
  it("is closed when 64 KiB of replies wait for it, and nothing waits any more", async () => {
    const store = await newStore();
    const { barrier, clock } = store;
    const { identity, leaf } = await currentIdentity(barrier, { now: clock.now, random: randomBytes }, ["localhost"]);
    // Kernels hold up to 40 MB for a peer that does not read; over a pipe of our own only the server's part is left.
    const [near, far] = pipe();
    const secureContext = createSecureContext(tlsCredentials(identity, leaf));
    const socket = new TLSSocket(far, { isServer: true, secureContext, ALPNProtocols: [PROTOCOL] });
    const client = connectTls({ socket: near, ALPNProtocols: [PROTOCOL], rejectUnauthorized: false });
    await Promise.all([once(socket, "secure"), once(client, "secureConnect")]);

    const log = new CapturedLog();
    const admission = new Admission(defaultLimits);
    new Connection(socket, {
      place: admission.admit(socket),
      context: {
        services: await contextOf(store),
        server: { name: "posternd", version: "0" },
        successors: [],
        startWait: () => 0,
        recordWait: () => 0,
        moveWait: () => 0,
      },
      address: "127.0.0.1",
      log,
      registrationSeconds: 600,
    });
    client.on("error", () => client.destroy());
    client.write(`${requestLine("hello", hello)}\n`);
    await once(client, "data");
    client.pause();
    const line = `${requestLine("register.start", { name: "no good name" })}\n`;
    let refused = 0;
    let most = 0;
    log.onEntry = () => {
      refused += 1;
      most = Math.max(most, socket.writableLength);
      client.write(line);
    };
    client.write(line);
    await eventually(() => socket.closed && admission.open === 0);
    expect(refused).toBeGreaterThan(100);
    expect(most).toBeGreaterThan(60 * 1024);
    expect(most).toBeLessThanOrEqual(64 * 1024);
  });
});

/** Two ends of which each reads what the other writes, and holds back a writer whose reader does not read. */
function pipe(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const held: ((() => void) | undefined)[] = [];
  const end = (index: number) =>
    new Duplex({
      highWaterMark: 1024,
      read: () => held[index]?.(),
      write: (chunk, _encoding, done) => {
        const other = 1 - index;
        held[other] = () => {
          held[other] = undefined;
          done();
        };
        if (ends[other]?.push(chunk) === true) held[other]?.();
      },
      final: (done) => {
        ends[1 - index]?.push(null);
        done();
      },
    });
  ends.push(end(0), end(1));
  return [ends[0] as Duplex, ends[1] as Duplex];
}

describe("attack 14: a stream of logins for names that nobody has", () => {
  it("leaves nothing behind in memory", async () => {
    const server = await startInProcess();
    const A = clientEphemeral().publicHex;
    const round = async (count: number) => {
      for (let made = 0; made < count; made += 25) {
        await Promise.all(
          Array.from({ length: 25 }, async (_, index) => {
            const client = await WireClient.open(server);
            await client.ok("login.start", { name: `nobody-${made + index}`, A });
            await client.close();
          }),
        );
      }
    };
    await round(200);
    const before = heapUsed();
    await round(400);
    expect(heapUsed() - before).toBeLessThan(2 * 1024 * 1024);
    expect(server.log.errors).toEqual([]);
  });

  it("wrong guesses for 10,000 names fill the counters of an hour; then strangers are told busy, right or wrong", async () => {
    const { barrier, clock } = await startInProcess();
    const judge = (name: string, right: boolean) =>
      barrier.transact((tx) => judgeStrangerGuess(tx, barrier.nameIndex(name), right, clock.now()));
    await judge("victim", false);
    await barrier.transact(async (tx) => {
      for (let made = 1; made < NEW_COUNTERS_AN_HOUR; made++) {
        await judgeStrangerGuess(tx, barrier.nameIndex(`nobody-${made}`), false, clock.now());
      }
    });
    expect(await judge("one more", false)).toEqual({ kind: "busy", first: true });
    expect(await judge("one more", true)).toEqual({ kind: "busy", first: false });
    expect(await judge("victim", false)).toEqual({ kind: "wrong" });
    clock.advance(HOUR);
    expect(await judge("one more", false)).toEqual({ kind: "wrong" });
  });
});

/** Bytes on the heap once the garbage is collected. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
