import { connect as connectTcp, createServer } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { PROTOCOL } from "@postern/shared/messages";
import type { ServerAddress } from "@postern/shared/server-address";
import { plainAddress } from "../../address-key.js";
import { localHeader } from "../../proxy-protocol/header.js";
import { type Finding, fail, ok } from "./finding.js";

/** Milliseconds that whoever listens there has to say what it is. */
const ANSWER_MS = 3_000;

/** Whether an address is one of the balancers of `--proxy-protocol`, of which a server expects a header. */
type Balancers = (address: string) => boolean;

/** Whether a server could listen there, or a posternd does so already. */
export async function lookAtPort(
  check: "listen" | "http",
  address: ServerAddress,
  balancers: Balancers = () => false,
): Promise<Finding> {
  const { key } = address;
  const code = await tryToListen(address);
  if (code === undefined) return ok(check, `${key} is free`);
  if (code === "EADDRINUSE") {
    const ours = check === "listen" ? await speaks(address, balancers) : await isAlive(address, balancers);
    if (ours) return ok(check, `a posternd listens on ${key}`);
    return fail(check, `another program listens on ${key}`, `stop it, or choose another address with --${check}`);
  }
  const why = code === "EACCES" ? "this user may not listen there" : `it cannot be listened on (${code})`;
  return fail(check, `${key}: ${why}`, `choose another address with --${check}`);
}

/** Undefined when it can be listened on; nothing listens there any more when this resolves. */
function tryToListen({ host, port }: ServerAddress): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "failed"));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Something that listens everywhere is asked on this machine. */
const reachable = (host: string) => ({ "0.0.0.0": "127.0.0.1", "::": "::1" })[host] ?? host;

/** Nothing of worth is sent and nothing believed: so it is not asked who it is. */
function dial({ host, port }: ServerAddress, balancers: Balancers, options: ConnectionOptions): TLSSocket {
  const raw = connectTcp({ host: reachable(host), port });
  raw.once("connect", () => {
    if (balancers(plainAddress(raw.localAddress))) raw.write(localHeader);
  });
  const socket = connectTls({ ...options, socket: raw, rejectUnauthorized: false }).setTimeout(ANSWER_MS);
  raw.on("error", (error) => socket.destroy(error));
  return socket;
}

function speaks(address: ServerAddress, balancers: Balancers): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(address, balancers, { ALPNProtocols: [PROTOCOL] });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("secureConnect", () => settle(socket.alpnProtocol === PROTOCOL));
    for (const event of ["error", "timeout", "close"] as const) socket.once(event, () => settle(false));
  });
}

async function isAlive(address: ServerAddress, balancers: Balancers): Promise<boolean> {
  const { get } = await import("node:https");
  return new Promise((resolve) => {
    const { host, port } = address;
    const options = { host: reachable(host), port, path: "/livez", timeout: ANSWER_MS };
    const createConnection = () => dial(address, balancers, {});
    const request = get({ ...options, createConnection }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text = (text + chunk).slice(0, 64);
      });
      response.on("end", () => resolve(text === '{"status":"ok"}'));
      response.on("error", () => resolve(false));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}
