import type { AddressInfo } from "node:net";
import { errors, PosternError } from "@postern/shared/errors";
import Fastify, { type FastifyInstance } from "fastify";
import { listenError } from "../listen-error.js";
import type { Log } from "../log.js";
import type { ServiceContext } from "../services/context.js";
import { JWKS_MAX_AGE } from "../services/key-schedule.js";
import { probeStore } from "../services/store.js";
import { publicKeySet } from "../services/tokens.js";

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly credentials: { readonly key: string; readonly cert: string };
  readonly services: ServiceContext;
  readonly log: Log;
  /** Whether the server is being stopped: then it is not ready. */
  readonly draining?: (() => boolean) | undefined;
  /** Undefined: there is no `/metrics`. */
  readonly metrics?: MetricsPage | undefined;
}

export interface MetricsPage {
  readonly contentType: string;
  render(): Promise<string>;
  /** Whether a peer may read it, by the address of its socket. */
  mayRead(address: string | undefined): boolean;
}

export interface HttpListener {
  readonly address: AddressInfo;
  /** For connections that begin from now on; those that stand go on as they are. */
  setCredentials(credentials: HttpOptions["credentials"]): void;
  close(): Promise<void>;
}

/** No request of today's has a body. */
const BODY_LIMIT = 1024;

/** Silent sockets must not take the file descriptors that logins need. */
const MAX_CONNECTIONS = 512;
const HANDSHAKE_MS = 5_000;

/** How long an answer of `/readyz` is good for: it costs a durable transaction, and anybody may ask. */
const READY_MS = 1_000;

/** @throws PosternError `address_in_use`, `address_unavailable` */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  const { host, port, credentials, log } = options;
  const app = Fastify({
    https: { ...credentials, minVersion: "TLSv1.2", handshakeTimeout: HANDSHAKE_MS },
    bodyLimit: BODY_LIMIT,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 5_000,
    forceCloseConnections: true,
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  addRoutes(app, options);
  if (options.metrics !== undefined) addMetrics(app, options.metrics);
  addProblems(app, log);
  await app.listen({ host, port }).catch((cause: NodeJS.ErrnoException) => {
    throw listenError(cause, { host, port });
  });
  return {
    address: app.server.address() as AddressInfo,
    setCredentials: (renewed) => app.server.setSecureContext(renewed),
    close: () => app.close(),
  };
}

function addRoutes(app: FastifyInstance, { services, draining = () => false }: HttpOptions): void {
  app.get("/livez", async () => ({ status: "ok" }));

  const ready = atMostEvery(READY_MS, services.now, () => probeStore(services.barrier));
  app.get("/readyz", async () => {
    if (draining()) throw new PosternError("shutting_down");
    await ready();
    return { status: "ready" };
  });

  app.get("/.well-known/jwks.json", async (_request, reply) => {
    reply.header("cache-control", `public, max-age=${JWKS_MAX_AGE}`).type("application/jwk-set+json");
    return publicKeySet(services);
  });
}

/** Headers by which a proxy shows itself: then the address of the socket says nothing of who reads. */
const proxied = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

function addMetrics(app: FastifyInstance, { mayRead, render, contentType }: MetricsPage): void {
  app.get("/metrics", async ({ socket, headers }, reply) => {
    const direct = proxied.every((name) => headers[name] === undefined);
    if (!direct || !mayRead(socket.remoteAddress)) throw new PosternError("metrics_forbidden");
    return reply
      .type(contentType)
      .header("cache-control", "no-store")
      .send(await render());
  });
}

/** Shares one run of `fn` among all who ask within `ms` milliseconds, its failure too. */
function atMostEvery(ms: number, now: () => number, fn: () => Promise<void>): () => Promise<void> {
  let last: { at: number; run: Promise<void> } | undefined;
  return () => {
    if (last === undefined || Math.abs(now() - last.at) >= ms) last = { at: now(), run: fn() };
    return last.run;
  };
}

/** Every refusal is a problem document (RFC 9457) whose `code` is one of the table of errors. */
function addProblems(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .type("application/problem+json")
      .send({ title: errors.not_found.message, status: 404, code: "not_found" }),
  );
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const known = error instanceof PosternError ? error.code : undefined;
    const status = known === undefined ? (error.statusCode ?? 500) : errors[known].http;
    const ending = known === "shutting_down";
    if (status >= 500 && !ending) log.error({ err: error }, "an HTTP request failed");
    const code = status >= 500 && !ending ? "internal" : (known ?? "bad_request");
    return reply.code(status).type("application/problem+json").send({ title: errors[code].message, status, code });
  });
}
