import { PosternError } from "@postern/shared/errors";
import { z } from "zod";
import { addressOf, isUnnamed } from "../proxy-protocol/source.js";
import type { ServiceContext } from "../services/context.js";
import { JWKS_MAX_AGE } from "../services/key-schedule.js";
import { probeStore } from "../services/store.js";
import { publicKeySet } from "../services/tokens.js";
import { problem } from "./api/authorize.js";
import { reply } from "./api/credentials.js";
import type { App } from "./app.js";

export interface MetricsPage {
  readonly contentType: string;
  render(): Promise<string>;
  /** Whether a peer may read it, by its address in the spelling of `plainAddress`. */
  mayRead(address: string): boolean;
}

/** How long an answer of `/readyz` is good for: it costs a durable transaction, and anybody may ask. */
const READY_MS = 1_000;

/** What supervisors, balancers and verifiers of tokens ask, without a key. */
export function addHealth(app: App, services: ServiceContext, draining: () => boolean): void {
  app.get(
    "/livez",
    {
      schema: {
        operationId: "livez",
        tags: ["health"],
        summary: "Whether the process answers",
        response: { 200: reply("It does", z.object({ status: z.literal("ok") })) },
      },
    },
    async () => ({ status: "ok" as const }),
  );

  const ready = atMostEvery(READY_MS, services.now, () => probeStore(services.barrier));
  app.get(
    "/readyz",
    {
      schema: {
        operationId: "readyz",
        tags: ["health"],
        summary: "Whether the server takes work: its store commits, and it is not being stopped",
        response: {
          200: reply("It does", z.object({ status: z.literal("ready") })),
          503: problem(
            "`shutting_down`, or its store does not commit: `unavailable` while its database is away, else `internal`",
          ),
        },
      },
    },
    async () => {
      if (draining()) throw new PosternError("shutting_down");
      await ready();
      return { status: "ready" as const };
    },
  );

  app.get(
    "/.well-known/jwks.json",
    {
      schema: {
        operationId: "jwks",
        tags: ["sessions"],
        summary: "The public keys that people's tokens are verified with (RFC 7517)",
        response: {
          200: {
            description: "A key set, good for five minutes",
            content: { "application/jwk-set+json": { schema: keySet } },
          },
        },
      },
    },
    async (_request, answer) => {
      answer.header("cache-control", `public, max-age=${JWKS_MAX_AGE}`).type("application/jwk-set+json");
      return publicKeySet(services) as Promise<z.infer<typeof keySet>>;
    },
  );
}

const keySet = z.object({
  keys: z.array(
    z.object({
      kty: z.literal("OKP"),
      crv: z.literal("Ed25519"),
      x: z.string(),
      alg: z.literal("EdDSA"),
      use: z.literal("sig"),
      kid: z.string(),
    }),
  ),
});

/** Headers by which a proxy shows itself: then the address of the socket says nothing of who reads. */
const proxied = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

export function addMetrics(app: App, { mayRead, render, contentType }: MetricsPage): void {
  app.get("/metrics", { schema: { hide: true } }, async ({ socket, headers }, reply) => {
    const direct = !isUnnamed(socket) && proxied.every((name) => headers[name] === undefined);
    if (!direct || !mayRead(addressOf(socket))) throw new PosternError("metrics_forbidden");
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
