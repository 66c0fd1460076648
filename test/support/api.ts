import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import {
  type ApiKeyWish,
  createApiKey,
  type NewApiKey,
  type Scope,
} from "../../packages/server/src/services/applications/api-keys.js";
import type { AuditContext } from "../../packages/server/src/services/context.js";

/** An application that calls the HTTPS API, as one over any HTTP library would. */

export interface Call {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** An API key, for the header `Authorization`. */
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** A text, or what is sent as JSON. */
  readonly body?: string | object;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Of JSON. */
  readonly body: Record<string, unknown>;
}

/** Where the HTTPS port of a server is. */
export interface HttpTarget {
  readonly running: { readonly http: { readonly port: number } | undefined };
}

export async function call({ running }: HttpTarget, path: string, options: Call = {}): Promise<Answer> {
  const { method = "GET", key, headers = {}, body } = options;
  const sent = request({
    host: "127.0.0.1",
    port: running.http?.port,
    path,
    method,
    rejectUnauthorized: false,
    agent: false,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(typeof body === "object" && { "content-type": "application/json" }),
      ...headers,
    },
  });
  sent.end(typeof body === "object" ? JSON.stringify(body) : body);
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  const said = await text(reply);
  return { status: reply.statusCode ?? 0, headers: reply.headers, body: said === "" ? {} : JSON.parse(said) };
}

/** A key for these scopes, of a new application unless one is given. */
export function apiKey(context: AuditContext, scopes: Scope[], more: Partial<ApiKeyWish> = {}): Promise<NewApiKey> {
  return createApiKey(context, { name: "wiki", scopes, lifetime: undefined, ...more });
}
