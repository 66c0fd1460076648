import { z } from "zod";
import { logLevels, type StoredLogLevel } from "../../records/log-level.js";
import type { StoreStatus } from "../../services/status.js";

/** What the routes of the admin say. Times are ISO 8601 in UTC. */

export const versionReply = z.object({ name: z.string(), version: z.string() });

const level = z.enum(logLevels).nullable();
const time = z.iso.datetime();
const count = z.number().int().nonnegative();

const MINUTE = 60;
const MONTH = 30 * 86_400;

export const logLevelRequest = z
  .strictObject({
    level: level.describe("Null: each server goes by its own."),
    expires_in: z
      .number()
      .int()
      .min(MINUTE)
      .max(MONTH)
      .optional()
      .describe("Seconds; without it, until it is changed."),
  })
  .refine((wish) => wish.level !== null || wish.expires_in === undefined, {
    path: ["expires_in"],
    message: "what is cleared does not end",
  });

export const logLevelReply = z.object({
  level: level.describe("Null: each server goes by its own."),
  set_at: time.nullable(),
  expires_at: time.nullable(),
});

export function logLevelOf(stored: StoredLogLevel | undefined): z.infer<typeof logLevelReply> {
  return {
    level: stored?.level ?? null,
    set_at: orNull(stored?.setAt),
    expires_at: orNull(stored?.until),
  };
}

const server = z.object({
  node: z.string().nullable(),
  host: z.string().nullable(),
  pid: count,
  version: z.string(),
  started_at: time,
  seen_at: time,
  listen: z.string(),
  http: z.string().nullable(),
  draining: z.boolean(),
});

export const statusReply = z.object({
  version: z.string(),
  started_at: time,
  uptime: count.describe("Seconds."),
  draining: z.boolean().describe("Whether this server is being stopped."),
  store: z.object({
    commits: z.boolean().describe("Whether a transaction could be made durable just now."),
    bytes: count.optional(),
    free: count.optional().describe("Bytes that its disk has left."),
    format: count,
    created_at: time,
    terms: z
      .array(z.object({ term: count.nullable(), records: count }))
      .describe("Records by the key that seals them."),
  }),
  audit: z.object({
    length: count.describe("Entries of all nodes, those that retention has removed included."),
    head: z.string().describe("Of the store's own chain, to which operators' commands write."),
    nodes: z.array(z.object({ node: z.string(), length: count, head: z.string(), last_entry_at: time.nullable() })),
  }),
  fingerprint: z.string(),
  leaf_expires_at: time,
  accounts: count,
  sessions: count,
  challenges: z.object({ open: count }),
  callbacks: z.object({ waiting: count, dead: count }).describe("Messages to applications."),
  throttled: z.object({ names: count, accounts: count, devices: count }),
  locked: count.describe("Accounts and devices whose codes are refused until a recovery code opens them."),
  signing_keys: z.array(z.object({ id: z.string(), state: z.enum(["signs", "next", "retired"]), created_at: time })),
  log_level: level,
  last_start_at: time.nullable(),
  last_stop_at: time.nullable(),
  servers: z.array(server).describe("Those that run."),
  silent_servers: z
    .array(server)
    .describe("Those of the last day that did not say that they stop: killed, or cut off."),
});

export interface Looked {
  readonly status: StoreStatus;
  readonly commits: boolean;
  readonly usage: { readonly bytes: number; readonly free?: number } | undefined;
  readonly server: { readonly version: string };
  readonly startedAt: number;
  readonly draining: boolean;
  readonly now: number;
}

export function statusOf(looked: Looked): z.infer<typeof statusReply> {
  const { status, server, startedAt, draining, now } = looked;
  const { audit, fingerprint, accounts, sessions, budgets } = status;
  const { locked, ...throttled } = budgets;
  const { open, ...callbacks } = status.challenges;
  return {
    version: server.version,
    started_at: isoTime(startedAt),
    uptime: Math.max(0, Math.floor((now - startedAt) / 1000)),
    draining,
    store: storeOf(looked),
    audit: { length: audit.length, head: audit.hash, nodes: status.nodes.map(nodeOf) },
    fingerprint,
    leaf_expires_at: isoTime(status.leafEnds),
    accounts,
    sessions,
    challenges: { open },
    callbacks,
    throttled,
    locked,
    signing_keys: status.signingKeys.map(({ id, state, createdAt }) => ({ id, state, created_at: isoTime(createdAt) })),
    log_level: status.logLevel?.level ?? null,
    last_start_at: orNull(status.lastStart),
    last_stop_at: orNull(status.lastStop),
    servers: status.servers.map(serverOf),
    silent_servers: status.silent.map(serverOf),
  };
}

function storeOf({ status, commits, usage }: Looked): z.infer<typeof statusReply>["store"] {
  const terms = [...status.terms].map(([term, records]) => ({ term: term ?? null, records }));
  return { commits, ...usage, format: status.format, created_at: isoTime(status.since), terms };
}

function nodeOf({ node, length, hash, lastEntry }: StoreStatus["nodes"][number]) {
  return { node, length, head: hash, last_entry_at: orNull(lastEntry) };
}

function serverOf(presence: StoreStatus["servers"][number]) {
  const { node, host, pid, version, startedAt, seenAt, listen, http, draining } = presence;
  return {
    node: node ?? null,
    host: host ?? null,
    pid,
    version,
    started_at: isoTime(startedAt),
    seen_at: isoTime(seenAt),
    listen,
    http: http ?? null,
    draining,
  };
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}

function orNull(time: number | undefined): string | null {
  return time === undefined ? null : isoTime(time);
}
