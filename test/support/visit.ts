import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import type { HttpTarget } from "./api.js";

/** The pages of the HTTPS port as a browser without a window, a chat's preview and an attacker meet them. */
export interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

export const FORM = "application/x-www-form-urlencoded";

export async function visit(
  { running }: HttpTarget,
  path: string,
  { method = "GET", body, headers = {} }: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Seen> {
  const sent = request({
    host: "127.0.0.1",
    port: running.http?.port,
    path,
    method,
    rejectUnauthorized: false,
    agent: false,
    headers: { ...(body !== undefined && { "content-type": FORM }), ...headers },
  });
  sent.end(body);
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  const { date: _date, ...rest } = reply.headers;
  return { status: reply.statusCode ?? 0, headers: rest, body: await text(reply) };
}
