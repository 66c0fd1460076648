import { isErrorCode, PosternError } from "@postern/shared/errors";
import type { FastifyRequest, onRouteHookHandler } from "fastify";
import { authenticateKey, type Caller, type Scope } from "../../services/applications/api-keys.js";
import type { ServiceContext } from "../../services/context.js";
import type { App } from "../app.js";
import { PROBLEM_TYPE, problemOf, problemSchema } from "../problems.js";
import { SECURITY_SCHEME } from "./openapi.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a key must be for to come through. */
    scope?: Scope;
  }
  interface FastifyRequest {
    /** Who asks, once the key is known, and when it was looked at (milliseconds). */
    caller: Caller | null;
    callerAt: number;
  }
}

/** A body may take seconds to come, and a key that is revoked meanwhile must not act with it (promise 12). */
const LOOKED_AT_MS = 500;

/**
 * The one gate of the API: whatever is added to `app` behind it takes a key with the scope that the route names in its
 * `config`, looked at before the body is read. A route without one cannot be added.
 */
export function requireKeys(app: App, services: ServiceContext): void {
  app.decorateRequest("caller", null);
  app.decorateRequest("callerAt", 0);
  app.addHook("onRoute", describe);
  const admit = async (request: FastifyRequest) => {
    const { scope } = request.routeOptions.config;
    // Nothing matched the path: that answer takes no key.
    if (scope === undefined) return;
    request.callerAt = services.now();
    const caller = await authenticateKey(services, bearerOf(request));
    if (!caller.scopes.has(scope)) throw new PosternError("scope_missing");
    request.caller = caller;
  };
  app.addHook("onRequest", admit);
  app.addHook("preHandler", async (request) => {
    if (Math.abs(services.now() - request.callerAt) > LOOKED_AT_MS) await admit(request);
  });
  app.addHook("onSend", async (_request, reply) => {
    reply.header("cache-control", "no-store");
  });
}

export function callerOf({ caller }: FastifyRequest): Caller {
  if (caller === null) throw new PosternError("bug", { detail: "a route behind no gate" });
  return caller;
}

/** RFC 6750 section 2.1; the scheme's case does not count (RFC 9110 section 11.1). */
function bearerOf({ headers }: FastifyRequest): string {
  const [, key] = /^bearer +([!-~]{1,200})$/i.exec(headers.authorization ?? "") ?? [];
  if (key === undefined) throw new PosternError("api_key_invalid");
  return key;
}

/** Says of every route what the gate adds to it. */
const describe: onRouteHookHandler = ({ config, schema, method, url }) => {
  if (config?.scope === undefined || schema === undefined) {
    throw new PosternError("bug", { detail: `${String(method)} ${url} names no scope, or has no schema` });
  }
  schema.security = [{ [SECURITY_SCHEME]: [] }];
  const refusals = Object.fromEntries(refused.map(([status, description]) => [status, problem(description)]));
  const scopeMissing = problem(`\`scope_missing\`: the key has not the scope \`${config.scope}\``);
  schema.response = { ...refusals, 403: scopeMissing, ...(schema.response as object) };
};

const refused: readonly (readonly [number, string])[] = [
  [400, "`bad_request`: the request cannot be understood"],
  [401, "`api_key_invalid`: there is no key, or it is not valid (any more)"],
  [422, "`invalid_input`: the request does not have its form; nothing was counted"],
  [503, "`shutting_down`, `busy`: try again in a moment"],
];

/** A refusal of a route, for its `response`; the first code that the description names is the example. */
export function problem(description: string) {
  const [, code] = /`([a-z_]+)`/.exec(description) ?? [];
  const example = isErrorCode(code) ? problemOf(code) : undefined;
  return { description, content: { [PROBLEM_TYPE]: { schema: problemSchema, ...(example && { example }) } } };
}
