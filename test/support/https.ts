import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type Agent, request } from "node:https";
import { text } from "node:stream/consumers";

/** Where the HTTPS port of a server is. */
export interface HttpTarget {
  readonly running: { readonly http: { readonly port: number } | undefined };
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | undefined;
  /** By default each request has a connection of its own. */
  readonly agent?: Agent;
  readonly localAddress?: string;
}

export interface Replied {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request to the HTTPS port, as any HTTP library would send it; the server's certificate is taken as it is. */
export async function ask({ running }: HttpTarget, path: string, asked: Asked = {}): Promise<Replied> {
  const { method = "GET", headers = {}, body, agent = false, localAddress } = asked;
  const sent = request({
    host: "127.0.0.1",
    port: running.http?.port,
    path,
    method,
    headers,
    agent,
    localAddress,
    rejectUnauthorized: false,
  });
  sent.end(body);
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  return { status: reply.statusCode ?? 0, headers: reply.headers, text: await text(reply) };
}
