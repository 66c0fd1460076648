import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Fingerprint } from "@postern/shared/fingerprint";
import { deadlines } from "@postern/shared/messages";
import { parseHost, type ServerAddress } from "@postern/shared/server-address";
import { group2048 } from "@postern/shared/srp/group";
import { warmPower } from "@postern/shared/srp/power";
import type { Barrier } from "./barrier/barrier.js";
import { type HttpListener, listenHttp } from "./http/listener.js";
import { identityFingerprint } from "./identity/identity-key.js";
import { tlsCredentials } from "./identity/leaf-certificate.js";
import type { Log } from "./log.js";
import { runErasures } from "./services/audit-erasure.js";
import { keepAuditFor } from "./services/audit-retention.js";
import type { RegistrationMode, ServiceContext } from "./services/context.js";
import { sweepInvites } from "./services/invites.js";
import { sweepResetTokens } from "./services/reset-tokens.js";
import { sweepSessions } from "./services/sessions.js";
import { keepSigningKeys } from "./services/signing-keys.js";
import { auditService, currentIdentity, readSettings } from "./services/store.js";
import { sweepStrangerCounters } from "./services/stranger-counters.js";
import { ensureStretchCensus } from "./services/stretching.js";
import { version } from "./version.js";
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
}

export interface RunningServer {
  readonly listen: ServerAddress;
  readonly http: ServerAddress | undefined;
  readonly fingerprint: Fingerprint;
  /** Ends the service: no more connections, what is under way is answered, the end is audited. The barrier stays. */
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
  const services: ServiceContext = { barrier, node, ...tools, registration, issuer: () => issuer };

  const http = options.http && (await listenHttp({ ...options.http, credentials, services, log }));
  const httpAddress = options.http && http && bound(options.http, http.address.port);
  if (publicUrl === undefined && httpAddress !== undefined) issuer = issuerAt(httpAddress);
  let wire: WireListener;
  try {
    await auditService(barrier, node, tools, "server.start");
    const context = { services, server: { name: "posternd", version } };
    wire = await listenWire({ ...options.listen, credentials, limits, exempt, context, log });
  } catch (thrown) {
    // A start that failed must not go on listening: the process would stay, and serve.
    await http?.close();
    throw thrown;
  }

  const { auditRetention } = options;
  // Not left to the first full hour: a server that never runs for one looks after its store too.
  await attempt(() => keepSigningKeys(services), log);
  const upkeep = repeat(HOUR_MS, () => keepUp(services, { wire, http, hosts, auditRetention }, log));
  const erasing = repeat(MINUTE_MS, () => attempt(() => runErasures(services), log));

  return {
    listen: bound(options.listen, wire.address.port),
    http: httpAddress,
    fingerprint: identityFingerprint(identity),
    close: async () => {
      await Promise.all([wire.close(), http?.close(), upkeep.stop(), erasing.stop()]);
      await auditService(barrier, node, tools, "server.stop");
    },
  };
}

interface Upkeep {
  readonly wire: WireListener;
  readonly http: HttpListener | undefined;
  readonly hosts: readonly string[];
  readonly auditRetention: number | undefined;
}

/**
 * What a server does by itself now and then: renews its leaf and the key that signs tokens, and forgets what has
 * ended. One failing stops no other.
 */
async function keepUp(
  services: ServiceContext,
  { wire, http, hosts, auditRetention }: Upkeep,
  log: Log,
): Promise<void> {
  const renew = async () => {
    const { identity, leaf } = await currentIdentity(services.barrier, services, hosts);
    const credentials = tlsCredentials(identity, leaf);
    wire.setCredentials(credentials);
    http?.setCredentials(credentials);
  };
  const rotate = () => keepSigningKeys(services);
  const retain = async () => auditRetention === undefined || keepAuditFor(services, auditRetention);
  const sweeps = [sweepStrangerCounters, sweepSessions, sweepInvites, sweepResetTokens].map(
    (sweep) => () => sweep(services),
  );
  for (const task of [renew, rotate, ...sweeps, retain]) await attempt(task, log);
}

/** Runs a task now, and again every so many milliseconds, unless it is at it still: two runs never overlap. */
function repeat(ms: number, task: () => Promise<void>): { stop(): Promise<void> } {
  let running: Promise<void> | undefined;
  const run = () => {
    running ??= task().finally(() => {
      running = undefined;
    });
  };
  run();
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
