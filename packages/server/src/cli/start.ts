import { hostname } from "node:os";
import { asPosternError } from "@postern/shared/errors";
import { parseListenAddress } from "@postern/shared/server-address";
import { typedAs } from "@postern/shared/terminal/command-name";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import { expiryNotice, type OwnCertificate } from "../identity/own-certificate.js";
import type { Log } from "../log.js";
import type { Mailer } from "../mail/mailer.js";
import { isPostgresUrl } from "../postgres-url.js";
import { type NodeName, nodeNameOf, parseNodeName } from "../records/node.js";
import type { RunningServer } from "../server.js";
import { parseReplyToHosts } from "../services/challenges/reply-to.js";
import type { RegistrationMode } from "../services/context.js";
import { type Exemption, parseAddressLimits, parseForwarders, parseMetricsReaders } from "./address-limits.js";
import { parseRetention } from "./audit-options.js";
import { type DestinationOptions, destinationsOf, openPost } from "./callbacks/destinations.js";
import { type CertificateFiles, certificateFilesOf, readHttpCertificate } from "./http-certificate.js";
import type { LogFormat, LogLevel } from "./logger.js";
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
import { endByHangUp, type ReloadTask, type Stop, untilStopped, untilStoppedAgain } from "./signals.js";
import { parseDrain } from "./spans.js";
import { type StoreOptions, unsealOrCreateStore } from "./unseal.js";

export interface StartOptions extends StoreOptions, MailOptions, DestinationOptions {
  readonly init?: boolean;
  readonly node?: string;
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

/** What SIGHUP has read anew of the configuration. */
export interface Reread {
  readonly logLevel: () => Promise<LogLevel>;
}

/** Serves until SIGINT or SIGTERM, and then ends in order. */
export async function startCommand(output: Output, options: StartOptions, reread: Reread): Promise<void> {
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
  const store = await unsealOrCreateStore(output, options);
  let how: Stop = "asked";
  try {
    // The network's part of the program takes a while to load: nobody waits for it in front of the password prompt.
    const [{ startServer }, { createLog }] = await Promise.all([import("../server.js"), import("./logger.js")]);
    const log = createLog({ level: options.logLevel, format: options.logFormat, node });
    const { registration } = options;
    if (exempt !== undefined) warnOf(exempt, output, log);
    const mailer = mail && (await openMailerOf(mail, log));
    const addresses = {
      listen,
      http,
      httpCertificate,
      publicUrl,
      replyToHosts,
      exempt: exempt?.covers,
      trustedProxy: proxies?.covers,
      balancers: balancers?.covers,
      pageLanguages,
    };
    const watched = {
      metricsReaders: readers?.covers,
      storeUsage: store.usage,
      watchStore: store.watch,
      onLogLevel: log.setStoreLevel,
    };
    const { barrier } = store;
    const outgoing = { deliver: mailer?.deliver, post: destinations && (await openPost(destinations)) };
    const policy = { registration, auditRetention };
    const server = await startServer({ barrier, node, ...addresses, ...watched, ...outgoing, ...policy, log });
    void tryMailServer(mailer, log);
    const reload: ReloadTask[] = [
      { what: "log level", run: async () => log.setOwnLevel(await reread.logLevel(), "reload") },
      { what: "identity", run: () => server.takeUpIdentity() },
    ];
    if (certificateFiles !== undefined) reload.push(certificateReload(certificateFiles, server, log));
    try {
      // Listened for first: who reads that it is ready may send a signal at once.
      const stopped = untilStopped({ reload, log });
      announce(output, server);
      how = await stopped;
      output.note(say`Stopping.`);
      await drain(output, { server, mailer, log, drainMs });
    } finally {
      await mailer?.close();
      await server.close();
    }
  } finally {
    await store.close();
  }
  if (how === "hung-up") endByHangUp();
}

/** With a data directory it is as it always was; several machines share a database alone. */
function nodeOf({ node, store = "lmdb" }: StartOptions): NodeName | undefined {
  if (node !== undefined) return parseNodeName(node);
  return isPostgresUrl(store) ? nodeNameOf(hostname()) : undefined;
}

interface Draining {
  readonly server: RunningServer;
  readonly mailer: Mailer | undefined;
  readonly log: Log;
  readonly drainMs: number;
}

/** Lets come to its end what is under way, until that takes too long or another signal asks to end at once. */
async function drain(output: Output, { server, mailer, log, drainMs }: Draining): Promise<void> {
  const again = untilStoppedAgain();
  const connections = server.underWay;
  const seconds = drainMs / 1000;
  if (connections > 0) {
    log.info({ connections, seconds }, "waiting for what is under way");
    output.note(say`Waiting for ${connections} under way, ${seconds} seconds at most; a second signal ends them.`);
  }
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, drainMs);
  });
  const end = Promise.race([limit, again]);
  const [left] = await Promise.all([server.drain(end), mailer?.close(end)]);
  clearTimeout(timer);
  if (left > 0) log.warn({ connections: left }, "cut off");
}

/** Before the admin password is asked for: nobody types it in vain. */
async function readAtStart(output: Output, files: CertificateFiles): Promise<OwnCertificate> {
  const own = await readHttpCertificate(files, { now: Date.now, warn: (text) => output.warn(say`${text}`) });
  const notice = expiryNotice(own, Date.now());
  if (notice !== undefined) output.warn(say`${notice}`);
  return own;
}

/** Before the admin password is asked for, as the certificate. */
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

/** A limit that is not there should not be forgotten: said to who starts it, and kept where the log is kept. */
function warnOf({ of }: Exemption, output: Output, log: Log): void {
  output.warn(say`--address-limits: connections and logins are not limited for ${of}`);
  log.warn({ exempt: of }, "addresses without limits");
}

function announce(output: Output, { listen, http, fingerprint }: RunningServer): void {
  const httpKey = http?.key ?? "off";
  output.result(
    { ready: true, listen: listen.key, http: httpKey, fingerprint },
    say`posternd ready listen=${listen.key} http=${httpKey} fingerprint=${fingerprint}`,
  );
  const server = listen.key === "127.0.0.1:7465" ? "" : ` --server ${listen.key}`;
  const postern = `${typedAs("postern", process.env)}${server}`;
  output.note(
    say``,
    say`Now, in another terminal:`,
    say`  ${bold(`${postern} register`)}   makes an account`,
    say`  ${bold(`${postern} login`)}      logs in`,
    say``,
    say`The first time, it shows a fingerprint, which must be this one:`,
    say`  ${fingerprint}`,
    say`Ctrl-C here stops the server.`,
    say``,
  );
}
