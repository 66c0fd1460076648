import { hostname } from "node:os";
import type { Fingerprint } from "@postern/shared/fingerprint";
import { deadlines } from "@postern/shared/messages";
import { drawRandom } from "@postern/shared/random";
import type { ServerAddress } from "@postern/shared/server-address";
import { group2048 } from "@postern/shared/srp/group";
import { warmPower } from "@postern/shared/srp/power";
import type { Barrier } from "./barrier/barrier.js";
import { type CrewMember, shareOf } from "./crew-member.js";
import type { HttpListener, MetricsPage } from "./http/listener.js";
import type { HttpsPortOptions } from "./https-port.js";
import { leafExpiresAt, tlsCredentials } from "./identity/leaf-certificate.js";
import type { OwnCertificate } from "./identity/own-certificate.js";
import type { Log } from "./log.js";
import { createMetrics, type Figures, type Metrics } from "./metrics.js";
import type { PageLanguages } from "./page-texts.js";
import { isOutage } from "./peer-error.js";
import type { Post } from "./post.js";
import { allCallbacks } from "./records/challenges/callback.js";
import type { LogLevel } from "./records/log-level.js";
import { type NodeName, OWN_CHAIN } from "./records/node.js";
import { attempt, attemptQuietly, every, repeat } from "./repeat.js";
import { bound, certificateHosts, issuerAt } from "./served-addresses.js";
import type { Deliver } from "./services/applications/delivery.js";
import { runErasures } from "./services/audit-erasure.js";
import { type Delivery, startDelivery } from "./services/challenges/deliver.js";
import { expireChallenges } from "./services/challenges/expire.js";
import { challengeFigures } from "./services/challenges/figures.js";
import type { ReplyToHosts } from "./services/challenges/reply-to.js";
import type { RegistrationMode, ServiceContext } from "./services/context.js";
import { IdentityKeeper } from "./services/identity-keeper.js";
import { LOG_LEVEL_POLL_MS, storedLogLevel } from "./services/log-level.js";
import { joinNode } from "./services/nodes.js";
import { endPresence, keepPresence, PRESENCE_MS } from "./services/presence.js";
import { keepSigningKeys } from "./services/signing-keys.js";
import { auditLength, auditService } from "./services/store.js";
import { ensureStretchCensus } from "./services/stretching.js";
import type { HearOutage } from "./store.js";
import { expiryWatch, keepUp } from "./upkeep.js";
import { version } from "./version.js";
import type { AdmissionLimits } from "./wire/admission.js";
import { listenWire, type ShownIdentity, type WireListener } from "./wire/listener.js";

/** The composition root: the one place that builds a server of its rooms. */
export interface ServerOptions {
  readonly barrier: Barrier;
  /** Which node this is: the chain of the log that it writes. Undefined: that of the store itself. */
  readonly node?: NodeName | undefined;
  readonly listen: ServerAddress;
  /** Undefined: no HTTPS port. */
  readonly http: ServerAddress | undefined;
  readonly registration: RegistrationMode;
  /** The operator's own certificate for the HTTPS port. Undefined: it shows the server's own leaf, as the wire port. */
  readonly httpCertificate?: OwnCertificate | undefined;
  /** Where other services reach the HTTPS port: `iss` of the tokens. Undefined: the address it listens on. */
  readonly publicUrl: string | undefined;
  readonly log: Log;
  /** Sends one-time codes by mail. Undefined: this server sends none. */
  readonly deliver?: Deliver | undefined;
  /** Where pages of challenges may send people. */
  readonly replyToHosts?: ReplyToHosts | undefined;
  /** For how many milliseconds audit entries are kept. Undefined: for good. */
  readonly auditRetention?: number | undefined;
  /** Languages of pages beside those that come with the server, or in their place. */
  readonly pageLanguages?: PageLanguages | undefined;
  /** Stand in for the system in tests. */
  readonly now?: () => number;
  readonly random?: (size: number) => Buffer;
  readonly limits?: AdmissionLimits;
  /** Whether an address has no limits of its own; by default every one has them. */
  readonly exempt?: ((address: string) => boolean) | undefined;
  /** Proxies in front of the HTTPS port, whose word on who is behind them is taken, in the spelling of `plainAddress`. */
  readonly trustedProxy?: ((address: string) => boolean) | undefined;
  /** Balancers in front of both ports, in the spelling of `plainAddress`: their connections begin with a PROXY header. */
  readonly balancers?: ((address: string) => boolean) | undefined;
  /** Carries callbacks to their receivers. Undefined: they wait in the store. */
  readonly post?: Post | undefined;
  /** Who may read `/metrics`, in the spelling of `plainAddress`. Undefined: nobody, and nothing is counted. */
  readonly metricsReaders?: ((address: string) => boolean) | undefined;
  /** What the store takes, and what its disk has left, where that can be told. */
  readonly storeUsage?: (() => Promise<StoreUsage>) | undefined;
  /** Has the store's database looked after, and tells when it is away and when it is back. */
  readonly watchStore?: ((hear: HearOutage) => void) | undefined;
  /** Hears the level that all servers of the store log at; undefined when each goes by its own. */
  readonly onLogLevel?: ((level: LogLevel | undefined) => void) | undefined;
  /** Milliseconds between two looks at it; shorter in tests. */
  readonly logLevelPollMs?: number;
  /** Undefined: this process is all of the server. */
  readonly crew?: CrewMember | undefined;
}

export interface StoreUsage {
  readonly bytes: number;
  readonly free?: number;
}

export interface RunningServer {
  readonly listen: ServerAddress;
  readonly http: ServerAddress | undefined;
  /** Of the identity that is shown now: the operator may replace it while the server runs. */
  readonly fingerprint: Fingerprint;
  /** Shows the identity and the leaf that the store has now. It happens by itself every few seconds. */
  takeUpIdentity(): Promise<void>;
  /** Takes the place of the operator's certificate that the HTTPS port shows, for connections that begin from now on. */
  setHttpCertificate(certificate: OwnCertificate): void;
  /** What this process has counted, where metrics are read. */
  figures(): Promise<Figures>;
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

/** How often a server looks whether the store has another identity or leaf than it shows: one short read. */
const IDENTITY_CHECK_MS = 5_000;

/**
 * When powers begin to be computed the way that pays in the long run: its beginning stalls the process, and nobody who
 * waits for a server to be ready waits for that.
 */
const WARM_UP_MS = 5_000;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** @throws PosternError `address_in_use`, `address_unavailable`, `store_damaged` */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { barrier, log, registration, crew } = options;
  const leads = crew?.leads ?? true;
  const tools = { now: options.now ?? Date.now, random: options.random ?? drawRandom };
  options.watchStore?.(outageLog(tools.now, log));
  const node = await joinNode(barrier, tools, options.node);
  await ensureStretchCensus(barrier);
  const hosts = certificateHosts(options);
  const keeper = await IdentityKeeper.open({ barrier, ...tools, hosts });
  const shown = shownBy(keeper);
  let { httpCertificate } = options;
  const { publicUrl, exempt = () => false, deliver } = options;
  const limits = limitsOf(options.limits ?? defaultLimits, crew);
  let issuer = publicUrl ?? issuerAt(options.http ?? options.listen);
  const state = { draining: false };
  let wire: WireListener;
  const metrics =
    options.metricsReaders &&
    createMetrics({
      version,
      nodeName: options.node,
      connections: () => wire.admission.counts,
      draining: () => state.draining,
      leafEnds: () => leafExpiresAt(keeper.current.leaf),
      // Read once for all workers.
      ...(leads && {
        auditLength: () => auditLength(barrier),
        challenges: () => challengeFigures(barrier),
        store: async () => options.storeUsage?.(),
      }),
    });
  const heard = metrics?.heard;
  let delivery: Delivery | undefined;
  const wake = () => delivery?.wake();
  crew?.onEnqueued(wake);
  const enqueued = crew === undefined || leads ? wake : () => crew.enqueued();
  const services: ServiceContext = { barrier, node, ...tools, registration, issuer: () => issuer, heard, enqueued };

  const page = metrics && options.metricsReaders && pageOf(metrics, options.metricsReaders, crew);
  const draining = () => state.draining;
  const credentials = httpCertificate ?? shown.credentials;
  const about = { name: "posternd", version };
  const { storeUsage } = options;
  const door = { exempt, trusted: options.trustedProxy, crew };
  const balancers = options.balancers && {
    covers: options.balancers,
    patienceMs: limits.deadlines.handshake * 1000,
    now: tools.now,
    log,
    refused: metrics?.headerRefused,
  };
  const { replyToHosts, pageLanguages } = options;
  const startedAt = crew?.server.startedAt;
  const parts = { services, server: about, startedAt, draining, storeUsage, deliver, replyToHosts, pageLanguages };
  const shared = { ...parts, credentials, door, balancers, log, metrics: page };
  const http = options.http && (await httpsPort({ ...options.http, ...shared }));
  const httpAddress = options.http && http && bound(options.http, http.address.port);
  if (publicUrl === undefined && httpAddress !== undefined) issuer = issuerAt(httpAddress);
  try {
    if (leads && crew?.replaces !== true) await auditService(barrier, node, tools, "server.start");
    const context = { services, server: about };
    const refused = metrics?.refused;
    wire = await listenWire({ ...options.listen, shown, limits, exempt, balancers, context, log, refused, crew });
  } catch (thrown) {
    // A start that failed must not go on listening: the process would stay, and serve.
    await http?.close();
    throw thrown;
  }

  const { auditRetention } = options;
  // Not left to the first full hour: a server that never runs for one looks after its store too.
  if (leads) await attempt(() => keepSigningKeys(services), log);
  const showing = (changed: boolean) => {
    if (!changed) return;
    const now = shownBy(keeper);
    wire.show(now);
    if (httpCertificate === undefined) http?.setCredentials(now.credentials);
    log.info({ fingerprint: keeper.fingerprint }, "shows the identity and leaf that the store has now");
  };
  const renew = async () => showing(await keeper.renew());
  const takeUpIdentity = async () => showing(await keeper.takeUp());
  const noticeExpiry = expiryWatch(tools.now, log);
  const expiry = async () => {
    if (leads) noticeExpiry(httpCertificate);
  };

  const listen = bound(options.listen, wire.address.port);
  const presence = {
    ...(crew?.server ?? { instance: tools.random(16).toString("hex"), pid: process.pid, startedAt: tools.now() }),
    ...(crew !== undefined && { workers: crew.workers }),
    node: options.node ?? OWN_CHAIN,
    host: hostname(),
    version,
    listen: listen.key,
    ...(httpAddress !== undefined && { http: httpAddress.key }),
  };
  const sayPresent = () => keepPresence(barrier, { ...presence, seenAt: tools.now(), draining: state.draining });
  const appear = () => attempt(sayPresent, log);
  const followLogLevel = () =>
    attempt(async () => options.onLogLevel?.((await storedLogLevel(barrier, tools.now()))?.level), log);
  for (const task of leads ? [appear, followLogLevel] : [followLogLevel]) await task();
  const background = [
    repeat(IDENTITY_CHECK_MS, attemptQuietly(takeUpIdentity, log)),
    every(options.logLevelPollMs ?? LOG_LEVEL_POLL_MS, followLogLevel),
  ];
  if (leads) {
    background.push(
      repeat(HOUR_MS, () => keepUp(services, [renew, expiry], auditRetention, log)),
      repeat(MINUTE_MS, () => attempt(() => runErasures(services), log)),
      repeat(MINUTE_MS, () => attempt(() => expireChallenges(services), log)),
      every(PRESENCE_MS, appear),
    );
    delivery = options.post && startDelivery({ context: services, post: options.post, log });
    if (delivery === undefined) await attempt(() => warnOfCallbacks(barrier, log), log);
  }
  const warming = setTimeout(() => warmPower(group2048), WARM_UP_MS).unref();

  return {
    listen,
    http: httpAddress,
    get fingerprint() {
      return keeper.fingerprint;
    },
    takeUpIdentity,
    setHttpCertificate: (certificate) => {
      httpCertificate = certificate;
      http?.setCredentials(certificate);
      if (leads) noticeExpiry(certificate);
    },
    figures: async () => (await metrics?.figures()) ?? [],
    get underWay() {
      return wire.underWay;
    },
    drain: async (limit) => {
      state.draining = true;
      const drained = Promise.all([wire.drain(), http?.settled(), delivery?.drain()]);
      // What a stop waits for must not wait for the store.
      if (leads) void attempt(sayPresent, log);
      await Promise.race([drained, limit]);
      return wire.admission.open;
    },
    close: async () => {
      state.draining = true;
      clearTimeout(warming);
      await Promise.all([wire.close(), http?.close(), ...background.map((task) => task.stop())]);
      await delivery?.stop();
      if (!leads) return;
      await attempt(() => endPresence(barrier, presence.instance), log);
      await auditService(barrier, node, tools, "server.stop");
    },
  };
}

async function httpsPort(options: HttpsPortOptions): Promise<HttpListener> {
  const { openHttpsPort } = await import("./https-port.js");
  return openHttpsPort(options);
}

function pageOf(
  { contentType, render }: Metrics,
  readers: (address: string) => boolean,
  crew: CrewMember | undefined,
): MetricsPage {
  return { contentType, render: crew === undefined ? render : () => crew.metrics(), mayRead: readers };
}

/** What is for all addresses together is dealt out to the workers; what one address or person has, all of them count. */
function limitsOf(limits: AdmissionLimits, crew: CrewMember | undefined): AdmissionLimits {
  const { unauthenticated, authenticated } = limits;
  return { ...limits, unauthenticated: shareOf(unauthenticated, crew), authenticated: shareOf(authenticated, crew) };
}

/**
 * Says once that the database is away: whoever is refused for it is not spoken of. Where it answers and calls fail as if
 * it did not, that is said once a minute at most.
 */
function outageLog(now: () => number, log: Log): HearOutage {
  let began = now();
  let saidAt: number | undefined;
  return (news) => {
    if (news.kind === "back") {
      const seconds = Math.round((now() - began) / 1000);
      return log.info({ seconds }, "the database is back: requests are taken again");
    }
    const { code, detail: why } = news.why;
    if (news.kind === "away") {
      began = now();
      return log.error({ code, why }, "the database is away: requests are refused until it is back");
    }
    // Any other failure is in the log by whom it met.
    if (!isOutage(news.why) || (saidAt !== undefined && Math.abs(now() - saidAt) < MINUTE_MS)) return;
    saidAt = now();
    log.error({ code, why }, "the database answers, but calls to it fail: requests are refused for it");
  };
}

/** Applications count on being told. */
async function warnOfCallbacks(barrier: Barrier, log: Log): Promise<void> {
  const callbacks = (await barrier.read(allCallbacks)).length;
  if (callbacks > 0) log.warn({ callbacks }, "callbacks wait: without --callback-hosts they are not delivered");
}

function shownBy({ current: { identity, leaf, successors } }: IdentityKeeper): ShownIdentity {
  return { credentials: tlsCredentials(identity, leaf), successors };
}
