import dns, { type LookupAllOptions } from "node:dns";
import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { CONNECTIONS_AN_ADDRESS } from "../../packages/server/src/http/door.js";
import { apiKey, call } from "../support/api.js";
import { ask } from "../support/https.js";
import { startInProcess, type TestServer } from "../support/in-process.js";

const portOf = ({ running }: TestServer) => running.http?.port ?? 0;

async function silentSocket(server: TestServer, localAddress: string): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port: portOf(server), localAddress });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const said = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).text;

/** A delivery that has begun when `sending` resolves, and ends with `sent` of the post. */
function heldPost() {
  const post = new EventEmitter();
  const deliver = async () => {
    post.emit("sending");
    await once(post, "sent");
  };
  return { post, deliver, sending: once(post, "sending") };
}

describe("silent sockets at the HTTPS port (what broke the predecessors: an idle connection blocked the web port)", () => {
  it("fill the places of their own address, and nobody else's", async () => {
    const server = await startInProcess(undefined, { http: true, limits: { byAddress: true } });
    const held: Socket[] = [];
    for (let count = 0; count < CONNECTIONS_AN_ADDRESS; count += 1) held.push(await silentSocket(server, "127.0.0.9"));
    const oneMore = await silentSocket(server, "127.0.0.9");
    await once(oneMore, "close");
    expect(await said(server, "/livez", { localAddress: "127.0.0.10" })).toBe('{"status":"ok"}');
    held[0]?.destroy();
    await expect
      .poll(() => said(server, "/livez", { localAddress: "127.0.0.9" }).catch(() => "closed"))
      .toContain("ok");
  });
});

describe("requests that come in one piece, of somebody who does not wait for answers (attack 54)", () => {
  async function piped(server: TestServer, paths: readonly string[]): Promise<TLSSocket> {
    const socket = connectTls({ host: "127.0.0.1", port: portOf(server), rejectUnauthorized: false });
    socket.on("error", () => {});
    onTestFinished(() => void socket.destroy());
    await once(socket, "secureConnect");
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: postern.test\r\n\r\n`).join(""));
    return socket;
  }

  it("are answered in their order while they are a few", async () => {
    const server = await startInProcess(undefined, { http: true });
    const socket = await piped(server, ["/livez", "/readyz", "/nothing", "/livez"]);
    let answers = "";
    socket.on("data", (bytes: Buffer) => {
      answers += bytes.toString("latin1");
    });
    await expect
      .poll(() => answers.match(/"ok"|"ready"|"not_found"/g))
      .toEqual(['"ok"', '"ready"', '"not_found"', '"ok"']);
  });

  it.each(["/livez", "/v1/otp", "/nothing", "/%zz"])("end the connection when they are thousands: %s", async (path) => {
    const server = await startInProcess(undefined, { http: true });
    const socket = await piped(server, Array<string>(3000).fill(path));
    await new Promise((resolve) => socket.once("close", resolve).resume());
    expect(await said(server, "/livez", {})).toBe('{"status":"ok"}');
    // Nothing is left that a server which stops would wait for.
    await server.running.drain(new Promise(() => {}));
  });

  it("leave nothing behind when their sender goes before the answers", async () => {
    const { post, deliver, sending } = heldPost();
    const server = await startInProcess(undefined, { http: true, deliver });
    const { text: key } = await apiKey(server.context, ["otp"]);
    const body = JSON.stringify({ subject: "ann", delivery: { mail: "ann@example.org" } });
    const socket = await piped(server, []);
    const headers = `host: postern.test\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json`;
    socket.write(`POST /v1/otp HTTP/1.1\r\n${headers}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    socket.write("GET /livez HTTP/1.1\r\nhost: postern.test\r\n\r\n".repeat(3));
    await sending;
    socket.destroy();
    post.emit("sent");
    await server.running.drain(new Promise(() => {}));
  });
});

describe("forged forwarding headers at the HTTPS port (attack 51)", () => {
  const forged = { "x-forwarded-for": "203.0.113.7", forwarded: "for=203.0.113.8", "x-real-ip": "203.0.113.9" };

  /** The address that the log has of a change of the log level. */
  async function loggedFor(headers: Record<string, string>, trustedProxy?: (address: string) => boolean) {
    const server = await startInProcess(undefined, { http: true, ...(trustedProxy && { trustedProxy }) });
    const { text: key } = await apiKey(server.context, ["admin"]);
    await call(server, "/v1/admin/log-level", { method: "PUT", key, headers, body: { level: "debug" } });
    const rows = await server.audit();
    return rows.find(({ event }) => event === "log-level.set")?.personal.address;
  }

  it("are believed of nobody who is no trusted proxy", async () => {
    expect(await loggedFor(forged)).toBe("127.0.0.1");
    expect(await loggedFor(forged, (address) => address === "192.0.2.1")).toBe("127.0.0.1");
  });

  it("are read from a trusted proxy, from the right, as far as proxies are trusted", async () => {
    const trusted = (address: string) => address === "127.0.0.1" || address === "192.0.2.1";
    expect(await loggedFor(forged, trusted)).toBe("203.0.113.7");
    const chain = { "x-forwarded-for": "198.51.100.1, 203.0.113.7, 192.0.2.1" };
    expect(await loggedFor(chain, trusted)).toBe("203.0.113.7");
    expect(await loggedFor({ "x-forwarded-for": "nonsense" }, trusted)).toBe("unknown");
  });

  it.each([
    ["198.51.100.1, 203.0.113.7:567, 192.0.2.1:443", "203.0.113.7"],
    ["[2001:db8::7]:567", "2001:db8::7"],
    ["[2001:DB8:0::7]", "2001:db8::7"],
    ["203.0.113.7:567:1", "unknown"],
    ["[203.0.113.7", "unknown"],
  ])("may have ports, as some proxies write them: %s", async (header, address) => {
    const trusted = (one: string) => one === "127.0.0.1" || one === "192.0.2.1";
    expect(await loggedFor({ "x-forwarded-for": header }, trusted)).toBe(address);
  });
});

describe("a server that is being stopped", () => {
  it("answers the requests that are under way first, and turns no one off in the middle", async () => {
    const { post, deliver, sending } = heldPost();
    const server = await startInProcess(undefined, { http: true, deliver });
    const { text: key } = await apiKey(server.context, ["otp"]);
    const body = { subject: "ann", delivery: { mail: "ann@example.org" } };
    const answer = call(server, "/v1/otp", { method: "POST", key, body });
    await sending;
    let drained = false;
    const drain = server.running.drain(new Promise(() => {})).then(() => {
      drained = true;
    });
    expect(await said(server, "/readyz", {})).toContain("shutting_down");
    expect(drained).toBe(false);
    post.emit("sent");
    expect((await answer).status).toBe(201);
    await drain;
    await server.close();
  });
});

it("a name with two addresses is listened at on one: no server stands beside without a door and a renewed leaf", async () => {
  const both = [1, 2].map((last) => ({ address: `127.0.0.${last}`, family: 4 }));
  const lookup = (host: string, ...[options, tell = options]: unknown[]) => {
    const one = [host === "localhost" ? "127.0.0.1" : host, 4];
    (tell as (...answer: unknown[]) => void)(null, ...((options as LookupAllOptions).all ? [both] : one));
  };
  const spy = vi.spyOn(dns, "lookup").mockImplementation(lookup as unknown as typeof dns.lookup);
  onTestFinished(() => void spy.mockRestore());
  const server = await startInProcess(undefined, { http: "localhost" });
  expect(await said(server, "/livez", {})).toBe('{"status":"ok"}');
  const beside = connect({ host: "127.0.0.2", port: portOf(server) });
  expect(await once(beside, "connect").catch(({ code }) => code)).toBe("ECONNREFUSED");
});
