import { randomBytes, X509Certificate } from "node:crypto";
import { hostname } from "node:os";
import type { Fingerprint } from "@postern/shared/fingerprint";
import { deadlines } from "@postern/shared/messages";
import { parseHost, type ServerAddress } from "@postern/shared/server-address";
import { group2048 } from "@postern/shared/srp/group";
import { warmPower } from "@postern/shared/srp/power";
import type { Barrier } from "./barrier/barrier.js";
import { type HttpListener, listenHttp, type MetricsPage } from "./http/listener.js";
import { identityFingerprint } from "./identity/identity-key.js";
import { type Leaf, tlsCredentials } from "./identity/leaf-certificate.js";
import type { Log } from "./log.js";
import { createMetrics, type Metrics } from "./metrics.js";
import type { LogLevel } from "./records/log-level.js";
import { runErasures } from "./services/audit-erasure.js";
import { keepAuditFor } from "./services/audit-retention.js";
import type { RegistrationMode, ServiceContext } from "./services/context.js";
import { LOG_LEVEL_POLL_MS, storedLogLevel } from "./services/log-level.js";
import { endPresence, keepPresence, PRESENCE_MS } from "./services/presence.js";
import { sweepSessions } from "./services/sessions.js";
import { keepSigningKeys } from "./services/signing-keys.js";
import { auditLength, auditService, currentIdentity, readSettings } from "./services/store.js";
import { sweepStrangerCounters } from "./services/stranger-counters.js";
import { ensureStretchCensus } from "./services/stretching.js";
import { version } from "./version.js";
import { plainAddress } from "./wire/address-key.js";
import type { AdmissionLimits } from "./wire/admission.js";
import { listenWire, type WireListener } from "./wire/listener.js";

/** The composition root: the one place that builds a server of its rooms. */
export interface ServerOptions {
  readonly barrier: Barrier;
  readonly listen: ServerAddress;
  /** Undefined: no HTTPS port. */
  readonly http: ServerAddress | undefined;
  readonly registration: RegistrationMode;
  /** Where other services reach the HTTPS port: `iss` of the tokens. Undefined: the address it listens on. */
  readonly publicUrl: string | undefined;
  readonly log: Log;
  /** For how many milliseconds audit entries are kept. Undefined: for good. */
  readonly auditRetention?: number | undefined;
  /** Stand in for the system in tests. */
  readonly now?: () => number;
  readonly random?: (size: number) => Buffer;
  readonly limits?: AdmissionLimits;
  /** Whether an address has no limits of its own; by default every one has them. */
  readonly exempt?: ((address: string) => boolean) | undefined;
  /** Who may read `/metrics`, in the spelling of `plainAddress`. Undefined: nobody, and nothing is counted. */
  readonly metricsReaders?: ((address: string) => boolean) | undefined;
  /** What the store's file takes, and what its disk has left. */
  readonly storeUsage?: (() => Promise<StoreUsage>) | undefined;
  /** Hears the level that all servers of the store log at; undefined when each goes by its own. */
  readonly onLogLevel?: ((level: LogLevel | undefined) => void) | undefined;
  /** Milliseconds between two looks at it; shorter in tests. */
  readonly logLevelPollMs?: number;
}

export interface StoreUsage {
  readonly bytes: number;
  readonly free: number;
}

export interface RunningServer {
  readonly listen: ServerAddress;
  readonly http: ServerAddress | undefined;
  readonly fingerprint: Fingerprint;
  /** Logins, registrations and calls that are under way. */
  readonly underWay: number;
  /**
   * Takes no more connections and is not ready any more; what is under way comes to its end, or `limit` does. Gives how
   * many connections are left then.
   */
  drain(limit: Promise<unknown>): Promise<number>;
  /** Ends the service: no more connections, calls under way are answered, the end is audited. The barrier stays. */
  close(): Promise<void>;
}

export const defaultLimits: AdmissionLimits = {
  unauthenticated: 512,
  perAddress: 8,
  authenticated: 4096,
  perPerson: 32,
  deadlines,
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** @throws PosternError `address_in_use`, `address_unavailable`, `store_damaged` */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { barrier, log, registration } = options;
  const tools = { now: options.now ?? Date.now, random: options.random ?? randomBytes };
  warmPower(group2048);
  const { node } = await readSettings(barrier);
  await ensureStretchCensus(barrier);
  const hosts = certificateHosts(options);
  const { identity, leaf } = await currentIdentity(barrier, tools, hosts);
  const credentials = tlsCredentials(identity, leaf);
  const { publicUrl, limits = defaultLimits, exempt = () => false } = options;
  let issuer = publicUrl ?? issuerAt(options.http ?? options.listen);
  const state = { draining: false, leafEnds: leafEnds(leaf) };
  let wire: WireListener;
  const metrics =
    options.metricsReaders &&
    createMetrics({
      version,
      connections: () => wire.admission.counts,
      draining: () => state.draining,
      leafEnds: () => state.leafEnds,
      auditLength: () => auditLength(barrier, node),
      store: async () => options.storeUsage?.(),
    });
  const heard = metrics?.heard;
  const services: ServiceContext = { barrier, node, ...tools, registration, issuer: () => issuer, heard };

  const page = metrics && options.metricsReaders && pageOf(metrics, options.metricsReaders);
  const draining = () => state.draining;
  const http =
    options.http && (await listenHttp({ ...options.http, credentials, services, log, draining, metrics: page }));
  const httpAddress = options.http && http && bound(options.http, http.address.port);
  if (publicUrl === undefined && httpAddress !== undefined) issuer = issuerAt(httpAddress);
  try {
    await auditService(barrier, node, tools, "server.start");
    const context = { services, server: { name: "posternd", version } };
    const refused = metrics?.refused;
    wire = await listenWire({ ...options.listen, credentials, limits, exempt, context, log, refused });
  } catch (thrown) {
    // A start that failed must not go on listening: the process would stay, and serve.
    await http?.close();
    throw thrown;
  }

  const { auditRetention } = options;
  // Not left to the first full hour: a server that never runs for one looks after its store too.
  await attempt(() => keepSigningKeys(services), log);
  const onLeaf = (renewed: Leaf) => {
    state.leafEnds = leafEnds(renewed);
  };
  const upkeep = repeat(HOUR_MS, () => keepUp(services, { wire, http, hosts, auditRetention, onLeaf }, log));
  const erasing = repeat(MINUTE_MS, () => attempt(() => runErasures(services), log));
  const listen = bound(options.listen, wire.address.port);
  const presence = {
    instance: tools.random(16).toString("hex"),
    pid: process.pid,
    version,
    startedAt: tools.now(),
    listen: listen.key,
    ...(httpAddress !== undefined && { http: httpAddress.key }),
  };
  const sayPresent = () => keepPresence(barrier, { ...presence, seenAt: tools.now(), draining: state.draining });
  const appear = () => attempt(sayPresent, log);
  const followLogLevel = () =>
    attempt(async () => options.onLogLevel?.((await storedLogLevel(barrier, tools.now()))?.level), log);
  for (const task of [appear, followLogLevel]) await task();
  const background = [
    upkeep,
    erasing,
    every(PRESENCE_MS, appear),
    every(options.logLevelPollMs ?? LOG_LEVEL_POLL_MS, followLogLevel),
  ];

  return {
    listen,
    http: httpAddress,
    fingerprint: identityFingerprint(identity),
    get underWay() {
      return wire.underWay;
    },
    drain: async (limit) => {
      state.draining = true;
      const drained = wire.drain();
      // What a stop waits for must not wait for the store.
      void attempt(sayPresent, log);
      await Promise.race([drained, limit]);
      return wire.admission.open;
    },
    close: async () => {
      state.draining = true;
      await Promise.all([wire.close(), http?.close(), ...background.map((task) => task.stop())]);
      await attempt(() => endPresence(barrier, presence.instance), log);
      await auditService(barrier, node, tools, "server.stop");
    },
  };
}

interface Upkeep {
  readonly wire: WireListener;
  readonly http: HttpListener | undefined;
  readonly hosts: readonly string[];
  readonly auditRetention: number | undefined;
  readonly onLeaf: (leaf: Leaf) => void;
}

function leafEnds({ certificateDer }: Leaf): number {
  return Date.parse(new X509Certificate(certificateDer).validTo);
}

function pageOf({ contentType, render }: Metrics, readers: (address: string) => boolean): MetricsPage {
  return { contentType, render, mayRead: (address) => readers(plainAddress(address)) };
}

/**
 * What a server does by itself now and then: renews its leaf and the key that signs tokens, and forgets what has
 * ended. One failing stops no other.
 */
async function keepUp(
  services: ServiceContext,
  { wire, http, hosts, auditRetention, onLeaf }: Upkeep,
  log: Log,
): Promise<void> {
  const renew = async () => {
    const { identity, leaf } = await currentIdentity(services.barrier, services, hosts);
    const credentials = tlsCredentials(identity, leaf);
    wire.setCredentials(credentials);
    http?.setCredentials(credentials);
    onLeaf(leaf);
  };
  const rotate = () => keepSigningKeys(services);
  const retain = async () => auditRetention === undefined || keepAuditFor(services, auditRetention);
  const sweeps = [() => sweepStrangerCounters(services), () => sweepSessions(services)];
  for (const task of [renew, rotate, ...sweeps, retain]) await attempt(task, log);
}

interface Repeated {
  stop(): Promise<void>;
}

/** Runs a task now, and again every so many milliseconds. */
function repeat(ms: number, task: () => Promise<void>): Repeated {
  return every(ms, task, true);
}

/** Runs a task every so many milliseconds, unless it is at it still: two runs never overlap. */
function every(ms: number, task: () => Promise<void>, atOnce = false): Repeated {
  let running: Promise<void> | undefined;
  const run = () => {
    running ??= task().finally(() => {
      running = undefined;
    });
  };
  if (atOnce) run();
  const timer = setInterval(run, ms);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

async function attempt(task: () => Promise<unknown>, log: Log): Promise<void> {
  try {
    await task();
  } catch (err) {
    log.error({ err }, "a part of the upkeep failed");
  }
}

function bound({ host, key }: ServerAddress, port: number): ServerAddress {
  return { host, port, key: key.replace(/:[0-9]+$/, `:${port}`) };
}

/** Addresses that mean "every one of this machine": they can be listened on, and are nobody's name. */
const wildcards = ["0.0.0.0", "::"];

/** `iss` of a server that was not told its URL. */
function issuerAt({ host, port, key }: ServerAddress): string {
  return `https://${wildcards.includes(host) ? `localhost:${port}` : key}`;
}

/** The names that the leaf is for. Clients of Postern go by the identity; a browser at the HTTPS port by these. */
function certificateHosts({ listen, http, publicUrl }: ServerOptions): string[] {
  const given = [listen.host, http?.host].filter((host) => host !== undefined && !wildcards.includes(host));
  const own = ["localhost", "127.0.0.1", "::1", ...canonical(hostname())];
  const url = publicUrl === undefined ? [] : canonical(new URL(publicUrl).hostname);
  return [...new Set([...own, ...url, ...(given as string[])])];
}

/** A machine may have a name that is none in the DNS; then it does without. */
function canonical(host: string): string[] {
  try {
    return [parseHost(host)];
  } catch {
    return [];
  }
}
