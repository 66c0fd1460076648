import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import type { Fingerprint } from "@postern/shared/fingerprint";
import { PROTOCOL } from "@postern/shared/messages";
import { createIdentity, identityFingerprint } from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";

/** What stands at an address instead of a posternd, and notes what clients say to it. */
export class FakeServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #heard = "";
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Starts it; `event` gives the sockets on which a client is heard: for TLS, once the handshake is done. */
  static async start(server: Server, event: "connection" | "secureConnection" = "connection"): Promise<FakeServer> {
    const fake = new FakeServer(server);
    server.on(event, (socket: Socket) => {
      socket
        .on("error", () => undefined)
        .on("data", (chunk: Buffer) => {
          fake.#heard += chunk.toString("latin1");
        });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return fake;
  }

  /** HOST:PORT */
  get listen(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** All that clients have sent: in clear where it speaks TLS, as it came where it does not. */
  get heard(): string {
    return this.#heard;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Speaks first and in clear, as an SSH server does. */
export function plainServer(): Promise<FakeServer> {
  return FakeServer.start(createTcpServer((socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n")));
}

export function httpServer(): Promise<FakeServer> {
  return FakeServer.start(createHttpServer((_request, response) => response.end("hello")));
}

/** Closes whatever comes. */
export function closingServer(): Promise<FakeServer> {
  return FakeServer.start(createTcpServer((socket) => socket.destroy()));
}

export interface Impostor {
  readonly server: FakeServer;
  readonly fingerprint: Fingerprint;
}

/** Looks like a posternd until it is spoken to: an identity, a leaf, and TLS as `options` change it. */
export async function impostor(
  options: TlsOptions = {},
  greet: (socket: TLSSocket) => void = () => {},
): Promise<Impostor> {
  const now = Date.now();
  const identity = await createIdentity({ now });
  const leaf = await issueLeaf(identity, { now, hosts: ["localhost", "127.0.0.1"] });
  const usual = { ...tlsCredentials(identity, leaf), minVersion: "TLSv1.3", ALPNProtocols: [PROTOCOL] } as const;
  const server = createTlsServer({ ...usual, ...options }, greet).on("tlsClientError", () => undefined);
  return { server: await FakeServer.start(server, "secureConnection"), fingerprint: identityFingerprint(identity) };
}

/** What a false server answers to a call: a result, or an error of this code. */
export type Answer = { readonly result: object } | { readonly error: string };

export const greeting: Answer = { result: { server: "posternd", version: "0", features: [], registration: "open" } };

/** Speaks the protocol, one call at a time, and answers what a test says. */
export function talker(answer: (method: string) => Answer): Promise<Impostor> {
  return impostor({}, (socket) => {
    socket.on("data", (line: Buffer) => {
      const { id, method } = JSON.parse(line.toString("utf8"));
      const said = answer(method);
      const body = "result" in said ? said : { error: { code: -1, message: "m", data: { code: said.error } } };
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...body })}\n`);
    });
  });
}
