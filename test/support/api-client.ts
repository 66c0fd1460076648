import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { Scope } from "../../packages/server/src/records/applications/api-key.js";
import { createApiKey } from "../../packages/server/src/services/applications/api-keys.js";
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
  readonly #port: number;
  readonly #key: string;
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });

  constructor(port: number, key: string) {
    this.#port = port;
    this.#key = key;
    onTestFinished(() => this.#agent.destroy());
  }

  /** One with a key that is made for it. */
  static async of(server: TestServer, scopes: readonly Scope[] = ["otp", "totp", "hotp"], name = "shop") {
    const { text: key } = await createApiKey(server.context, { name, scopes, lifetime: undefined });
    return new ApiClient(server.running.http?.port ?? 0, key);
  }

  /** The same application at another server. */
  at(server: TestServer): ApiClient {
    return new ApiClient(server.running.http?.port ?? 0, this.#key);
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

  send(method: string, path: string, { body, headers = {} }: ApiRequest = {}): Promise<ApiReply> {
    const sent = body === undefined ? {} : { "content-type": "application/json" };
    const target = { host: "127.0.0.1", port: this.#port, agent: this.#agent, method, path };
    return new Promise((resolve, reject) => {
      const asking = request(
        { ...target, headers: { authorization: `Bearer ${this.#key}`, ...sent, ...headers } },
        (answer) => {
          const read = async (): Promise<ApiReply> => {
            const content = await text(answer);
            const parsed: ApiReply["body"] = content === "" ? {} : JSON.parse(content);
            return { status: answer.statusCode ?? 0, headers: answer.headers, body: parsed, text: content };
          };
          read().then(resolve, reject);
        },
      );
      asking.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** What came of a code: the result, or why it was not looked at. */
export const resultOf = ({ body }: ApiReply) => body["result"] ?? body["code"];
