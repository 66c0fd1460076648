import type { AddressInfo } from "node:net";
import { errors, PosternError } from "@postern/shared/errors";
import Fastify, { type FastifyInstance } from "fastify";
import type { Log } from "../log.js";
import type { ServiceContext } from "../services/context.js";
import { readSettings } from "../services/store.js";
import { publicKeySet, TOKEN_LIFETIME } from "../services/tokens.js";

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly credentials: { readonly key: string; readonly cert: string };
  readonly services: ServiceContext;
  readonly log: Log;
}

export interface HttpListener {
  readonly address: AddressInfo;
  setCredentials(credentials: HttpOptions["credentials"]): void;
  close(): Promise<void>;
}

/** No request of today's has a body. */
const BODY_LIMIT = 1024;

/** @throws PosternError `address_in_use`, `address_unavailable` */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  const { host, port, credentials, services, log } = options;
  const app = Fastify({
    https: { ...credentials, minVersion: "TLSv1.2" },
    bodyLimit: BODY_LIMIT,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    forceCloseConnections: true,
  });
  addRoutes(app, services);
  addProblems(app, log);
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const inUse = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
    const detail = `${host} port ${port}`;
    throw new PosternError(inUse ? "address_in_use" : "address_unavailable", { detail, cause });
  }
  return {
    address: app.server.address() as AddressInfo,
    setCredentials: (renewed) => app.server.setSecureContext(renewed),
    close: () => app.close(),
  };
}

function addRoutes(app: FastifyInstance, services: ServiceContext): void {
  app.get("/livez", async () => ({ status: "ok" }));

  // Ready means: a transaction of the store can be had and opened.
  app.get("/readyz", async () => {
    await readSettings(services.barrier);
    return { status: "ready" };
  });

  app.get("/.well-known/jwks.json", async (_request, reply) => {
    reply.header("cache-control", `public, max-age=${TOKEN_LIFETIME}`).type("application/jwk-set+json");
    return publicKeySet(services);
  });
}

/** Every refusal is a problem document (RFC 9457) whose `code` is the one of the table of errors. */
function addProblems(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type("application/problem+json").send({ title: "there is nothing here", status: 404 }),
  );
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const known = error instanceof PosternError ? error.code : undefined;
    const status = known === undefined ? (error.statusCode ?? 500) : errors[known].http;
    if (status >= 500) log.error({ err: error }, "an HTTP request failed");
    const code = status >= 500 ? "internal" : (known ?? "bad_request");
    return reply.code(status).type("application/problem+json").send({ title: errors[code].message, status, code });
  });
}
