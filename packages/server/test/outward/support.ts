import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface Receiver {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly requests: Received[];
}

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

type Tls = { readonly key: string; readonly cert: string };

/** A receiver on 127.0.0.1 that keeps what it gets, and answers as it is told. */
export async function openReceiver(answer: RequestListener, tls?: Tls): Promise<Receiver & { close(): void }> {
  const requests: Receiver["requests"] = [];
  const listener: RequestListener = async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { method = "", url: path = "", headers } = request;
    requests.push({ method, path, headers, body });
    answer(request, response);
  };
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port, host: `127.0.0.1:${port}`, requests, close };
}

/** The same for one test. */
export async function receiver(
  answer: RequestListener = (_request, response) => response.end(),
  tls?: Tls,
): Promise<Receiver> {
  const opened = await openReceiver(answer, tls);
  onTestFinished(() => opened.close());
  return opened;
}

/** @throws when nothing has come */
export function firstOf({ requests: [first] }: Receiver): Received {
  if (first === undefined) throw new Error("the receiver has got nothing");
  return first;
}
