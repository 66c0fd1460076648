import { hostname } from "node:os";
import { asPosternError } from "@postern/shared/errors";
import { parseListenAddress, type ServerAddress } from "@postern/shared/server-address";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import type { CrewMember } from "../crew-member.js";
import { expiryNotice, type OwnCertificate } from "../identity/own-certificate.js";
import type { Log } from "../log.js";
import type { Mailer } from "../mail/mailer.js";
import type { PageLanguages } from "../page-texts.js";
import { isPostgresUrl } from "../postgres-url.js";
import { type NodeName, nodeNameOf, parseNodeName } from "../records/node.js";
import type { RunningServer } from "../server.js";
import { parseReplyToHosts, type ReplyToHosts } from "../services/challenges/reply-to.js";
import type { RegistrationMode } from "../services/context.js";
import type { OpenStore } from "../store.js";
import { type Exemption, parseAddressLimits, parseForwarders, parseMetricsReaders } from "./address-limits.js";
import { parseRetention } from "./audit-options.js";
import { type DestinationOptions, destinationsOf, openPost } from "./callbacks/destinations.js";
import { type CertificateFiles, certificateFilesOf, readHttpCertificate } from "./http-certificate.js";
import type { LevelledLog, LogFormat, LogLevel } from "./logger.js";
import {
  type MailOptions,
  mailSettingsOf,
  openMailerOf,
  type ReadMailSettings,
  readMailSettings,
  warningAbout,
} from "./mail/settings.js";
import { readPageTexts } from "./page-texts.js";
import { parsePublicUrl } from "./public-url.js";
import type { ReloadTask } from "./signals.js";
import { parseDrain } from "./spans.js";
import type { StoreOptions } from "./unseal.js";

export interface StartOptions extends StoreOptions, MailOptions, DestinationOptions {
  readonly init?: boolean;
  readonly node?: string;
  readonly workers: string;
  readonly listen: string;
  readonly http: string;
  readonly httpCert?: string;
  readonly httpKey?: string;
  readonly registration: RegistrationMode;
  readonly publicUrl?: string;
  readonly replyToHosts: string;
  readonly addressLimits?: string;
  readonly trustedProxy?: string;
  readonly proxyProtocol?: string;
  readonly pageTexts?: string;
  readonly metrics: string;
  readonly auditRetention?: string;
  readonly drain: string;
  readonly logLevel: LogLevel;
  readonly logFormat?: LogFormat;
}

/** What `posternd start` was told, parsed and read. */
export interface StartPlan {
  readonly node: NodeName | undefined;
  readonly listen: ServerAddress;
  readonly http: ServerAddress | undefined;
  readonly certificateFiles: CertificateFiles | undefined;
  readonly httpCertificate: OwnCertificate | undefined;
  readonly mail: ReadMailSettings | undefined;
  readonly publicUrl: string | undefined;
  readonly exempt: Exemption | undefined;
  readonly proxies: Exemption | undefined;
  readonly balancers: Exemption | undefined;
  readonly pageLanguages: PageLanguages | undefined;
  readonly auditRetention: number | undefined;
  readonly readers: Exemption | undefined;
  readonly replyToHosts: ReplyToHosts;
  readonly destinations: ReturnType<typeof destinationsOf>;
  readonly registration: RegistrationMode;
  readonly drainMs: number;
}

/** Before the admin password is asked for: nobody types it in vain. @throws PosternError what an option is refused with */
export async function planStart(output: Output, options: StartOptions): Promise<StartPlan> {
  const node = nodeOf(options);
  const listen = parseListenAddress(options.listen);
  const http = options.http === "off" ? undefined : parseListenAddress(options.http);
  const certificateFiles = certificateFilesOf(options);
  const httpCertificate = certificateFiles && (await readAtStart(output, certificateFiles));
  const mail = await readMailAtStart(output, options);
  const publicUrl = options.publicUrl === undefined ? undefined : parsePublicUrl(options.publicUrl);
  const exempt = options.addressLimits === undefined ? undefined : parseAddressLimits(options.addressLimits);
  const { proxies, balancers } = parseForwarders(options);
  const pageLanguages = options.pageTexts === undefined ? undefined : await readPageTexts(options.pageTexts);
  const retention = options.auditRetention;
  const auditRetention = retention === undefined ? undefined : parseRetention("--audit-retention", retention);
  const readers = parseMetricsReaders(options.metrics);
  const replyToHosts = parseReplyToHosts(options.replyToHosts);
  const destinations = destinationsOf(options);
  const drainMs = parseDrain(options.drain);
  const { registration } = options;
  return {
    node,
    listen,
    http,
    certificateFiles,
    httpCertificate,
    mail,
    publicUrl,
    exempt,
    proxies,
    balancers,
    pageLanguages,
    auditRetention,
    readers,
    replyToHosts,
    destinations,
    registration,
    drainMs,
  };
}

/** A server that accepts connections, with what goes with it. */
export interface Serving {
  readonly server: RunningServer;
  /** What of it is read anew at SIGHUP. */
  readonly reload: readonly ReloadTask[];
  /** Lets come to its end what is under way, until `limit`; gives how many connections are left then. */
  drain(limit: Promise<unknown>): Promise<number>;
  close(): Promise<void>;
}

/** @throws PosternError `address_in_use`, `address_unavailable`, `store_damaged` */
export async function openServing(
  plan: StartPlan,
  store: OpenStore,
  log: LevelledLog,
  crew?: CrewMember,
): Promise<Serving> {
  const { startServer } = await import("../server.js");
  const { node, listen, http, httpCertificate, publicUrl, replyToHosts, pageLanguages, registration, auditRetention } =
    plan;
  const mailer = plan.mail && (await openMailerOf(plan.mail, log, crew));
  const addresses = {
    listen,
    http,
    httpCertificate,
    publicUrl,
    replyToHosts,
    exempt: plan.exempt?.covers,
    trustedProxy: plan.proxies?.covers,
    balancers: plan.balancers?.covers,
    pageLanguages,
  };
  const watched = {
    metricsReaders: plan.readers?.covers,
    storeUsage: store.usage,
    watchStore: store.watch,
    onLogLevel: log.setStoreLevel,
  };
  const { barrier } = store;
  const outgoing = { deliver: mailer?.deliver, post: plan.destinations && (await openPost(plan.destinations)) };
  const policy = { registration, auditRetention };
  const server = await startServer({ barrier, node, ...addresses, ...watched, ...outgoing, ...policy, log, crew });
  if (crew?.leads !== false) void tryMailServer(mailer, log);
  const reload: ReloadTask[] = [{ what: "identity", run: () => server.takeUpIdentity() }];
  if (plan.certificateFiles !== undefined) reload.push(certificateReload(plan.certificateFiles, server, log));
  return {
    server,
    reload,
    drain: async (limit) => {
      const [left] = await Promise.all([server.drain(limit), mailer?.close(limit)]);
      return left;
    },
    close: async () => {
      await mailer?.close();
      await server.close();
    },
  };
}

/** A limit that is not there should not be forgotten: said to who starts it, and kept where the log is kept. */
export function warnOfExempt({ exempt }: StartPlan, output: Output, log: Log): void {
  if (exempt === undefined) return;
  output.warn(say`--address-limits: connections and logins are not limited for ${exempt.of}`);
  log.warn({ exempt: exempt.of }, "addresses without limits");
}

/** With a data directory it is as it always was; several machines share a database alone. */
export function nodeOf({ node, store = "lmdb" }: StartOptions): NodeName | undefined {
  if (node !== undefined) return parseNodeName(node);
  return isPostgresUrl(store) ? nodeNameOf(hostname()) : undefined;
}

async function readAtStart(output: Output, files: CertificateFiles): Promise<OwnCertificate> {
  const own = await readHttpCertificate(files, { now: Date.now, warn: (text) => output.warn(say`${text}`) });
  const notice = expiryNotice(own, Date.now());
  if (notice !== undefined) output.warn(say`${notice}`);
  return own;
}

async function readMailAtStart(output: Output, options: MailOptions): Promise<ReadMailSettings | undefined> {
  const settings = mailSettingsOf(options);
  if (settings === undefined) return undefined;
  const warn = (text: string) => output.warn(say`${text}`);
  const warning = warningAbout(settings);
  if (warning !== undefined) warn(warning);
  return readMailSettings(settings, warn);
}

/** A mail server that is down keeps nobody from logging in; but who runs this one should know of it before a mail fails. */
async function tryMailServer(mailer: Mailer | undefined, log: Log): Promise<void> {
  try {
    await mailer?.verify();
  } catch (thrown) {
    const { code, detail } = asPosternError(thrown);
    if (code !== "shutting_down")
      log.warn({ code, why: detail }, "the mail server cannot be used; mails are tried anyway");
  }
}

/** A file that cannot be used throws here, and the server goes on with what it has. */
function certificateReload(files: CertificateFiles, server: RunningServer, log: Log): ReloadTask {
  const warn = (text: string) => log.warn({}, text);
  return {
    what: "HTTPS certificate",
    run: async () => server.setHttpCertificate(await readHttpCertificate(files, { now: Date.now, warn })),
  };
}
