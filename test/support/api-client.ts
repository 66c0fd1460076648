import { Agent } from "node:https";
import { onTestFinished } from "vitest";
import type { Scope } from "../../packages/server/src/records/applications/api-key.js";
import { createApiKey } from "../../packages/server/src/services/applications/api-keys.js";
import { ask, type HttpTarget } from "./https.js";
import type { TestServer } from "./in-process.js";

/** An application: it has an API key, and sends requests with it. */

export interface ApiReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What the body says; empty where there is none. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface ApiRequest {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ApiClient {
  readonly #server: HttpTarget;
  readonly #key: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(server: HttpTarget, key: string) {
    this.#server = server;
    this.#key = key;
    onTestFinished(() => this.#agent.destroy());
  }

  /** One with a key that is made for it. */
  static async of(server: TestServer, scopes: readonly Scope[] = ["otp", "totp", "hotp"], name = "shop") {
    const { text: key } = await createApiKey(server.context, { name, scopes, lifetime: undefined });
    return new ApiClient(server, key);
  }

  /** The same application at another server. */
  at(server: TestServer): ApiClient {
    return new ApiClient(server, this.#key);
  }

  post(path: string, body?: unknown, headers: ApiRequest["headers"] = {}): Promise<ApiReply> {
    return this.send("POST", path, { body, headers });
  }

  get(path: string): Promise<ApiReply> {
    return this.send("GET", path);
  }

  delete(path: string, headers: ApiRequest["headers"] = {}): Promise<ApiReply> {
    return this.send("DELETE", path, { headers });
  }

  async send(method: string, path: string, { body, headers = {} }: ApiRequest = {}): Promise<ApiReply> {
    const sent = body === undefined ? {} : { "content-type": "application/json" };
    const reply = await ask(this.#server, path, {
      method,
      agent: this.#agent,
      headers: { authorization: `Bearer ${this.#key}`, ...sent, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { ...reply, body: reply.text === "" ? {} : JSON.parse(reply.text) };
  }
}

/** What came of a code: the result, or why it was not looked at. */
export const resultOf = ({ body }: ApiReply) => body["result"] ?? body["code"];
