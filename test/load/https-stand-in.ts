import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { createIdentity } from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";

export interface Answered {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** An HTTPS port for challenges that does what the test says, and keeps what it was asked. */
export interface StandIn {
  readonly url: string;
  readonly port: number;
  /** PEM of what its certificate is signed by. */
  readonly ca: string;
  readonly asked: Asked[];
  /** Connections that were made to it. */
  readonly connections: () => number;
}

export const REPLY_TO = "tel:+15550100";

/** What the real one says to each of the three requests, as long as nothing is wrong. */
export function honest({ method, path }: Asked): Answered {
  if (path === "/v1/challenges") {
    const url = `https://somewhere.example/c/${randomBytes(16).toString("base64url")}`;
    return { status: 201, body: JSON.stringify({ id: "chl_1", url, state: "open" }) };
  }
  if (method === "POST") return { status: 303, headers: { location: REPLY_TO } };
  const radio = (place: number) => `<label><input type="radio" name="choice" value="${place}" required></label>`;
  return { status: 200, body: `<form method="post">${[0, 1, 2].map(radio).join("")}<button>Send</button></form>` };
}

export async function startStandIn(answer: (asked: Asked) => Answered | "hang up" = honest): Promise<StandIn> {
  const now = Date.now();
  const identity = await createIdentity({ now });
  const { key, cert } = tlsCredentials(identity, await issueLeaf(identity, { hosts: ["localhost"], now }));
  const asked: Asked[] = [];
  let connections = 0;
  const reply = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url: path = "", headers } = request;
    const one = { method, path, headers, body: await text(request) };
    asked.push(one);
    const answered = answer(one);
    if (answered === "hang up") return void request.socket.destroy();
    response.writeHead(answered.status, answered.headers).end(answered.body);
  };
  const server = createServer({ key, cert }, (request, response) => void reply(request, response));
  server.on("secureConnection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const ca = cert.slice(cert.lastIndexOf("-----BEGIN CERTIFICATE-----"));
  return { url: `https://localhost:${port}`, port, ca, asked, connections: () => connections };
}
