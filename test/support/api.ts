import type { IncomingHttpHeaders } from "node:http";
import {
  type ApiKeyWish,
  createApiKey,
  type NewApiKey,
  type Scope,
} from "../../packages/server/src/services/applications/api-keys.js";
import type { AuditContext } from "../../packages/server/src/services/context.js";
import { ask, type HttpTarget } from "./https.js";

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

export async function call(server: HttpTarget, path: string, options: Call = {}): Promise<Answer> {
  const { key, headers: more = {}, body, ...rest } = options;
  const headers = {
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(typeof body === "object" && { "content-type": "application/json" }),
    ...more,
  };
  const sent = typeof body === "object" ? JSON.stringify(body) : body;
  const { text, ...reply } = await ask(server, path, { ...rest, headers, body: sent });
  return { ...reply, body: text === "" ? {} : JSON.parse(text) };
}

/** A key for these scopes, of a new application unless one is given. */
export function apiKey(context: AuditContext, scopes: Scope[], more: Partial<ApiKeyWish> = {}): Promise<NewApiKey> {
  return createApiKey(context, { name: "wiki", scopes, lifetime: undefined, ...more });
}
