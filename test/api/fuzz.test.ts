import { Agent } from "node:https";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { createApiKey } from "../../packages/server/src/services/applications/api-keys.js";
import { type Asked, ask } from "../support/https.js";
import { startInProcess, type TestServer } from "../support/in-process.js";
import {
  type ApiDocument,
  faultyValuesOf,
  type Operation,
  type Route,
  routesOf,
  type Schema,
  valuesOf,
} from "../support/openapi.js";

/**
 * Every route of the document, with what its schemas describe and with what they do not. Whatever comes, the server
 * answers as the document says, and never with a failure of its own.
 */

const RUNS_A_ROUTE = 40;

class Caller {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server: TestServer;
  readonly #key: string;

  constructor(server: TestServer, key: string) {
    this.#server = server;
    this.#key = key;
    onTestFinished(() => this.#agent.destroy());
  }

  async send(method: string, path: string, { headers = {}, ...asked }: Pick<Asked, "body" | "headers"> = {}) {
    const sent = { authorization: `Bearer ${this.#key}`, ...headers };
    const {
      status,
      headers: answered,
      text,
    } = await ask(this.#server, path, {
      ...asked,
      method,
      headers: sent,
      agent: this.#agent,
    });
    return { status, type: answered["content-type"] ?? "", body: text };
  }
}

/** A path with its parameters filled: with ids that exist, with ones that could, and with anything. */
function pathsOf(path: string, ids: readonly string[]): fc.Arbitrary<string> {
  if (!path.includes("{")) return fc.constant(path);
  const known = ids.filter((id) => path.includes(`/${id.split("_")[0]}/`));
  const anything = fc.oneof(
    fc.stringMatching(/^[a-z]{3,4}_[0-9a-f]{32}$/),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }),
  );
  const id = known.length === 0 ? anything : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...known) }, anything);
  return id.map((text) => path.replaceAll(/\{\w+\}/g, encodeURIComponent(text)));
}

function queriesOf(document: ApiDocument, { parameters = [] }: Operation): fc.Arbitrary<string> {
  const asked = parameters.filter((parameter) => parameter.in === "query");
  const values = (schema: Schema) => fc.oneof(valuesOf(document, schema), faultyValuesOf(document, schema));
  const pairs = asked.map(({ name, schema }) => fc.option(values(schema).map((value) => [name, String(value)])));
  return fc.tuple(...pairs).map((chosen) => {
    const query = new URLSearchParams(chosen.filter((pair) => pair !== null) as [string, string][]);
    return query.size === 0 ? "" : `?${query}`;
  });
}

/** What is sent: mostly a body of the route's schema or nearly so, now and then no JSON at all. */
function bodiesOf(document: ApiDocument, { requestBody }: Operation): fc.Arbitrary<{ type: string; body: string }> {
  const [[type, { schema }] = ["application/json", { schema: {} }]] = Object.entries(requestBody?.content ?? {});
  const encoded = (value: unknown) =>
    type === "application/json"
      ? JSON.stringify(value)
      : new URLSearchParams(value as Record<string, string>).toString();
  const form = type !== "application/json";
  const faulty = form ? fc.string().map((token) => ({ token })) : faultyValuesOf(document, schema);
  const right = valuesOf(document, schema);
  return fc.oneof(
    { weight: 4, arbitrary: right.map((value) => ({ type, body: encoded(value) ?? "" })) },
    { weight: 4, arbitrary: faulty.map((value) => ({ type, body: encoded(value) ?? "" })) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }).map((body) => ({ type, body })) },
  );
}

async function started(): Promise<{ server: TestServer; document: ApiDocument }> {
  const server = await startInProcess(undefined, { http: true });
  const { body } = await new Caller(server, "none").send("GET", "/openapi.json");
  return { server, document: JSON.parse(body) };
}

it("no route fails, whatever is sent, and every answer is one that the document names", async () => {
  const { server, document } = await started();
  const scopes = ["otp", "totp", "hotp", "challenge", "session", "admin"] as const;
  const { text: key } = await createApiKey(server.context, { name: "fuzz", scopes, lifetime: undefined });
  const caller = new Caller(server, key);
  const ids = new Set<string>();
  const routes = routesOf(document);
  // What makes something goes first, so that the others find it.
  for (const route of routes.sort((a, b) => rank(a) - rank(b))) {
    const { method, path, operation } = route;
    const property = fc.asyncProperty(
      pathsOf(path, [...ids]),
      queriesOf(document, operation),
      bodiesOf(document, operation),
      async (filled, query, { type, body }) => {
        const bare = method === "GET" || (method === "DELETE" && operation.requestBody === undefined);
        const sent = bare ? {} : { body, headers: { "content-type": type } };
        const answer = await caller.send(method, filled + query, sent);
        const seen = `${method} ${filled}${query} ${bare ? "" : body} -> ${answer.status} ${answer.body}`;
        expect(answer.status, seen).toBeLessThan(500);
        const allowed = [...Object.keys(operation.responses), ...ofEveryRoute];
        expect(allowed, seen).toContain(String(answer.status));
        if (answer.status >= 400) {
          expect(answer.type, seen).toContain("application/problem+json");
          expect(JSON.parse(answer.body), seen).toMatchObject({ status: answer.status, code: expect.any(String) });
        }
        for (const [id] of answer.status === 201 ? answer.body.matchAll(/[a-z]{3,4}_[0-9a-f]{32}/g) : []) ids.add(id);
      },
    );
    await fc.assert(property, { numRuns: RUNS_A_ROUTE, seed: 20_261_130, endOnFailure: true });
  }
  expect(server.log.errors).toEqual([]);
  expect(await server.verifyAudit()).toMatchObject({ ok: true });
});

/** The parser of HTTP answers these for any route: a path that names nothing, a body that is too long or of no known type. */
const ofEveryRoute = ["400", "404", "413", "415"];

function rank({ method, path }: Route): number {
  if (method === "DELETE") return 2;
  return method === "POST" && !path.includes("{") ? 0 : 1;
}

it("every route of the API takes a key, and without it nothing of a request is looked at", async () => {
  const { server, document } = await started();
  const nobody = new Caller(server, "none");
  const { text: key } = await createApiKey(server.context, { name: "none", scopes: [], lifetime: undefined });
  const scopeless = new Caller(server, key);
  for (const { method, path, operation } of routesOf(document)) {
    const filled = path.replaceAll(/\{\w+\}/g, `otp_${"0".repeat(32)}`);
    if (operation.security === undefined) {
      expect((await nobody.send(method, filled)).status).toBe(200);
      continue;
    }
    const odd = { body: "{", headers: { "content-type": "text/plain" } };
    const asked = ["GET", "DELETE"].includes(method) ? {} : odd;
    expect([filled, (await nobody.send(method, filled, asked)).status]).toEqual([filled, 401]);
    expect([filled, (await scopeless.send(method, filled, asked)).status]).toEqual([filled, 403]);
  }
});
