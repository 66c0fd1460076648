import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createIdentity } from "../../src/identity/identity-key.js";
import { issueLeaf } from "../../src/identity/leaf-certificate.js";
import { createPost, type PostOptions } from "../../src/outward/post.js";
import type { PostOutcome } from "../../src/post.js";
import { receiver } from "./support.js";

const loopback = (address: string) => address === "127.0.0.1" || address === "::1";
const never = new AbortController().signal;

function postTo(hosts: readonly string[], options: Partial<PostOptions> & { privately?: boolean } = {}) {
  const { privately = true, ...rest } = options;
  const destinations = { hosts: new Set(hosts), isPrivateAllowed: privately ? loopback : () => false };
  const post = createPost({ destinations, userAgent: "posternd/0", ...rest });
  return (url: string, signal = never): Promise<PostOutcome> =>
    post({ method: "POST", url, headers: { "webhook-id": "chl_1" }, body: "{}" }, signal);
}

const resolvingTo =
  (...addresses: string[]) =>
  async () =>
    addresses;

/** A server of bytes: it says what it is told to, whatever it is asked. */
async function rawServer(talk: (socket: Socket) => void): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    talk(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a request to a host that the operator has named", () => {
  it("arrives as it is meant, and its status comes back", async () => {
    const there = await receiver((_request, response) => response.writeHead(202).end("thanks"));
    expect(await postTo([there.host])(`http://${there.host}/hook?a=b`)).toEqual({ status: 202 });
    const [request] = there.requests;
    expect(request).toMatchObject({ method: "POST", path: "/hook?a=b", body: "{}" });
    expect(request?.headers).toMatchObject({
      host: there.host,
      "webhook-id": "chl_1",
      "content-length": "2",
      "user-agent": "posternd/0",
    });
  });

  it("attack 66: goes to no other host or port, and no other scheme, whatever the spelling", async () => {
    const there = await receiver();
    const post = postTo([there.host, "allowed.example:443"], { resolve: resolvingTo("127.0.0.1") });
    const { port } = there;
    for (const url of [
      "https://other.example/",
      "https://allowed.example:8443/",
      "http://allowed.example/",
      "https://sub.allowed.example/",
      "https://allowed.example./",
      "https://allowed.example@other.example/",
      `http://127.0.0.1:${port + 1}/`,
      `http://127.0.0.2:${port}/`,
      `http://localhost:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://[::1]:${port}/`,
      `ftp://127.0.0.1:${port}/`,
      "file:///etc/passwd",
    ]) {
      expect(await post(url), url).toEqual({ fault: "host_refused" });
    }
    expect(there.requests).toEqual([]);
  });

  it("attack 66: a name that has any address that is not public is refused before a byte is sent", async () => {
    const there = await receiver();
    const host = `bot.example:${there.port}`;
    for (const addresses of [
      ["127.0.0.1"],
      ["93.184.216.34", "127.0.0.1"],
      ["10.0.0.1"],
      ["169.254.169.254"],
      ["::ffff:127.0.0.1"],
      ["::1"],
      ["64:ff9b::7f00:1"],
      ["2002:7f00:1::"],
      ["fd00::1"],
    ]) {
      const post = postTo([host], { privately: false, resolve: resolvingTo(...addresses) });
      expect(await post(`https://${host}/`), addresses.join()).toEqual({ fault: "address_refused" });
    }
    expect(there.requests).toEqual([]);
  });

  it("attack 66: a literal address is judged as one that a name server gave", async () => {
    for (const host of ["127.0.0.1:443", "[::1]:443", "10.0.0.1:443", "[fd00::1]:443"]) {
      const post = postTo([host], { privately: false });
      expect(await post(`https://${host.replace(/:443$/, "")}/`), host).toEqual({ fault: "address_refused" });
    }
  });

  it("attack 66: without TLS it goes to nobody but the private addresses that are named", async () => {
    const post = postTo(["bot.example:80"], { resolve: resolvingTo("93.184.216.34") });
    expect(await post("http://bot.example/")).toEqual({ fault: "plain_http_refused" });
    const both = postTo(["bot.example:80"], { resolve: resolvingTo("127.0.0.1", "93.184.216.34") });
    expect(await both("http://bot.example/")).toEqual({ fault: "plain_http_refused" });
  });

  it("attack 66: a name that is public at first and private then (DNS rebinding) is asked once, and connected to what was judged", async () => {
    const there = await receiver();
    let asked = 0;
    const rebinding = async () => {
      asked += 1;
      return asked === 1 ? ["127.0.0.1"] : ["127.0.0.3"];
    };
    // 127.0.0.1 stands for what was judged to be fine, and nothing listens at 127.0.0.3.
    const host = `bot.example:${there.port}`;
    expect(await postTo([host], { resolve: rebinding })(`http://${host}/`)).toEqual({ status: 200 });
    expect(asked).toBe(1);
    expect(there.requests).toHaveLength(1);
    expect(await postTo([host], { resolve: rebinding })(`http://${host}/`)).toEqual({ fault: "address_refused" });
  });

  it("attack 66: a redirect to loopback is an answer, and not followed", async () => {
    const secret = await receiver();
    const there = await receiver((_request, response) =>
      response.writeHead(302, { location: `http://${secret.host}/` }).end(),
    );
    expect(await postTo([there.host, secret.host])(`http://${there.host}/`)).toEqual({ status: 302 });
    expect(secret.requests).toEqual([]);
  });
});

describe("TLS to a receiver", () => {
  /** By an authority of the test's own, whose certificate is `ca`. */
  const certified = async (host: string) => {
    const now = Date.now();
    const authority = await createIdentity({ now });
    const leaf = await issueLeaf(authority, { hosts: [host], now });
    const key = createPrivateKey({ key: leaf.privateKeyPkcs8, format: "der", type: "pkcs8" });
    const [cert, ca] = [leaf, authority].map((one) => new X509Certificate(one.certificateDer).toString());
    return { key: String(key.export({ format: "pem", type: "pkcs8" })), cert: cert ?? "", ca: ca ?? "" };
  };

  it("is to the address that was judged, and with a certificate of the host's name", async () => {
    const tls = await certified("bot.example");
    const there = await receiver(undefined, tls);
    const host = `bot.example:${there.port}`;
    const resolve = resolvingTo("127.0.0.1");
    expect(await postTo([host], { resolve, ca: tls.ca })(`https://${host}/x`)).toEqual({ status: 200 });
    expect(there.requests[0]?.headers.host).toBe(host);
    const other = `other.example:${there.port}`;
    expect(await postTo([other], { resolve, ca: tls.ca })(`https://${other}/`)).toEqual({ fault: "certificate" });
    expect(await postTo([host], { resolve })(`https://${host}/`)).toEqual({ fault: "certificate" });
    expect(there.requests).toHaveLength(1);
  });
});

describe("a receiver that does not do its part", () => {
  const dead = "127.0.0.1:1";

  it("cannot be connected to, or has no address", async () => {
    expect(await postTo([dead])(`http://${dead}/`)).toEqual({ fault: "not_connected" });
    expect(await postTo(["bot.example:443"], { resolve: resolvingTo() })("https://bot.example/")).toEqual({
      fault: "not_resolved",
    });
    const failing = { resolve: () => Promise.reject(new Error("SERVFAIL")) };
    expect(await postTo(["bot.example:443"], failing)("https://bot.example/")).toEqual({ fault: "not_resolved" });
  });

  it("hangs up, or answers with something else than HTTP", async () => {
    for (const bytes of ["", "SSH-2.0-OpenSSH\r\n", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}`]) {
      const host = await rawServer((socket) => socket.once("data", () => socket.end(bytes)));
      expect(await postTo([host])(`http://${host}/`), bytes.slice(0, 10)).toEqual({ fault: "no_answer" });
    }
  });

  it("changes the protocol", async () => {
    const host = await rawServer((socket) =>
      socket.once("data", () =>
        socket.end("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
      ),
    );
    expect(await postTo([host])(`http://${host}/`)).toEqual({ fault: "no_answer" });
  });

  it("never answers, never lets itself be resolved, or never ends its answer: it gets its seconds, and no more", async () => {
    const silent = await rawServer(() => undefined);
    const deadlineMs = 30;
    expect(await postTo([silent], { deadlineMs })(`http://${silent}/`)).toEqual({ fault: "timed_out" });
    const resolve = () => new Promise<never>(() => undefined);
    expect(await postTo(["bot.example:443"], { deadlineMs, resolve })("https://bot.example/")).toEqual({
      fault: "timed_out",
    });
    const dripping = await rawServer((socket) =>
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")),
    );
    expect(await postTo([dripping], { deadlineMs: 500 })(`http://${dripping}/`)).toEqual({ status: 200 });
  });

  it("answers without end: it is cut off", async () => {
    const flooding = await receiver((_request, response) => {
      response.writeHead(200);
      const flood = () => {
        while (response.write("x".repeat(65_536)));
      };
      response.on("drain", flood);
      flood();
    });
    expect(await postTo([flooding.host])(`http://${flooding.host}/`)).toEqual({ status: 200 });
  });
});

describe("a server that stops", () => {
  it("breaks off what is under way", async () => {
    const stopping = new AbortController();
    const host = await rawServer((socket) => socket.once("data", () => stopping.abort()));
    expect(await postTo([host])(`http://${host}/`, stopping.signal)).toEqual({ fault: "stopped" });
    expect(await postTo([host])(`http://${host}/`, stopping.signal)).toEqual({ fault: "stopped" });
  });
});
