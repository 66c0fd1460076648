import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { channelExporter, sessionMac } from "@postern/shared/channel";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import { lineLimits, type Method, methods, type Params, PROTOCOL, type Result } from "@postern/shared/messages";
import { parseSessionSecret, sessionKeyOf } from "@postern/shared/session-secret";

/** A reply as it came: `text` is the whole line. */
export interface Reply {
  readonly text: string;
  readonly id: number | null;
  readonly result?: Record<string, unknown>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data: {
      readonly code: string;
      readonly hint?: string;
      readonly retry_after?: number;
      readonly clock_behind?: number;
    };
  };
}

export interface Target {
  readonly port: number;
}

/** Connects by TCP alone, from another loopback address where one is given. */
export function connectRaw({ port }: Target, localAddress?: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: "127.0.0.1", port, ...(localAddress !== undefined && { localAddress }) });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => socket.destroy());
      resolve(socket);
    });
  });
}

/** Finishes a handshake over a TCP connection; without a look at the certificate. Rejects when it fails. */
export function handshake(raw: Socket, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      socket: raw,
      minVersion: "TLSv1.3",
      ALPNProtocols: [PROTOCOL],
      rejectUnauthorized: false,
      ...options,
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed in the handshake")));
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      socket.on("error", () => socket.destroy());
      resolve(socket);
    });
  });
}

/** The first flight of a handshake that goes no further. */
export async function clientHello(): Promise<Buffer> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const client = connectTls({ host: "127.0.0.1", port, ALPNProtocols: [PROTOCOL], minVersion: "TLSv1.3" });
  client.on("error", () => client.destroy());
  const [peer] = (await once(listener, "connection")) as [Socket];
  const [flight] = (await once(peer, "data")) as [Buffer];
  client.destroy();
  peer.destroy();
  listener.close();
  return flight;
}

/** Resolves when a socket is gone, and reads what still comes, without which its end would never be seen. */
export function gone(socket: Socket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  socket.resume();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/**
 * A client that obeys nothing: it sends whatever bytes a test gives it, when the test says so. It does not look at
 * the server's certificate.
 */
export class WireClient {
  readonly raw: Socket;
  readonly socket: TLSSocket;
  readonly exporter: Buffer;
  readonly closed: Promise<void>;
  readonly #lines = new LineSplitter(lineLimits.authenticated);
  readonly #replies: (Reply | undefined)[] = [];
  readonly #waiting: ((reply: Reply | undefined) => void)[] = [];
  #ended = false;
  #nextId = 1;

  constructor(raw: Socket, socket: TLSSocket) {
    this.raw = raw;
    this.socket = socket;
    socket.setNoDelay(true);
    this.exporter = socket.exportKeyingMaterial(channelExporter.bytes, channelExporter.label, channelExporter.context);
    socket.on("data", (chunk: Buffer) => {
      for (const line of this.#lines.push(chunk)) this.#receive(replyOf(line));
    });
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        this.#ended = true;
        for (const wake of this.#waiting.splice(0)) wake(undefined);
        resolve();
      }),
    );
  }

  /** A connection on which nothing was said yet. */
  static async connect(target: Target, localAddress?: string): Promise<WireClient> {
    const raw = await connectRaw(target, localAddress);
    return new WireClient(raw, await handshake(raw));
  }

  /** A connection that said hello. */
  static async open(target: Target, localAddress?: string): Promise<WireClient> {
    const client = await WireClient.connect(target, localAddress);
    await client.ok("hello", hello);
    return client;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next line that came, or undefined when the connection has ended. */
  reply(): Promise<Reply | undefined> {
    if (this.#replies.length > 0) return Promise.resolve(this.#replies.shift());
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Sends one line and gives its reply. */
  exchange(line: string | Uint8Array): Promise<Reply | undefined> {
    this.send(Buffer.concat([Buffer.from(line), Buffer.from("\n")]));
    return this.reply();
  }

  /** Calls a method with parameters that need not fit it. */
  call(method: string, params: unknown = {}): Promise<Reply | undefined> {
    return this.exchange(JSON.stringify({ jsonrpc: "2.0", id: this.#nextId++, method, params }));
  }

  /** A call that must succeed: its result. */
  async ok<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    const reply = await this.call(method, params);
    if (reply?.result === undefined) throw new Error(`${method} failed: ${codeOf(reply)}`);
    return methods[method].result.parse(reply.result) as Result<M>;
  }

  /** How a client that keeps a session's secret shows it over this connection: the parameters of `session.resume`. */
  holding(secret: string): Params<"session.resume"> {
    const parsed = parseSessionSecret(secret);
    if (parsed === undefined) throw new Error("that is no session secret");
    const { account, session } = parsed;
    const mac = sessionMac("client", sessionKeyOf(parsed.secret), this.exporter).toString("hex");
    return { account, session, mac };
  }

  /** A session that must go on here. */
  resume(secret: string): Promise<Result<"session.resume">> {
    return this.ok("session.resume", this.holding(secret));
  }

  /** How an attempt to go on with a session went. */
  resumed(secret: string): Promise<string> {
    return this.outcome("session.resume", this.holding(secret));
  }

  /** How a call went: `ok`, the code of its error, or `closed`. */
  async outcome<M extends Method>(method: M, params: Params<M>): Promise<string> {
    return codeOf(await this.call(method, params));
  }

  /** Ends it in order, and resolves when it is gone. */
  async close(): Promise<void> {
    this.socket.end();
    await this.closed;
  }

  /** Sends a TCP reset in place of an end. */
  reset(): void {
    this.raw.resetAndDestroy();
  }

  #receive(reply: Reply): void {
    const wake = this.#waiting.shift();
    if (wake === undefined) this.#replies.push(reply);
    else wake(reply);
  }
}

export const hello = { client: "test", version: "0", features: [] };

export function codeOf(reply: Reply | undefined): string {
  if (reply === undefined) return "closed";
  return reply.error === undefined ? "ok" : reply.error.data.code;
}

/** A request as one line, without its end. */
export function requestLine(method: string, params: unknown, id: unknown = 1): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

function replyOf(line: Buffer): Reply {
  const text = line.toString("utf8");
  return { ...(JSON.parse(text) as Omit<Reply, "text">), text };
}
