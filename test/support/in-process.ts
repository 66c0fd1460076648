import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { group2048 } from "@postern/shared/srp/group";
import { warmPower } from "@postern/shared/srp/power";
import { onTestFinished } from "vitest";
import { type Barrier, createBarrier, openBarrier } from "../../packages/server/src/barrier/barrier.js";
import type { CrewMember } from "../../packages/server/src/crew-member.js";
import { tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";
import type { OwnCertificate } from "../../packages/server/src/identity/own-certificate.js";
import type { Log } from "../../packages/server/src/log.js";
import type { Post } from "../../packages/server/src/post.js";
import type { AuditRow } from "../../packages/server/src/records/audit-log.js";
import { parseNodeName } from "../../packages/server/src/records/node.js";
import { defaultLimits, type RunningServer, startServer } from "../../packages/server/src/server.js";
import type { Deliver } from "../../packages/server/src/services/applications/delivery.js";
import { auditTrail, verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import type { RegistrationMode, ServiceContext } from "../../packages/server/src/services/context.js";
import { joinNode } from "../../packages/server/src/services/nodes.js";
import { currentIdentity } from "../../packages/server/src/services/server-identity.js";
import { initialiseStore, readSettings } from "../../packages/server/src/services/store.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import type { Storage } from "../../packages/server/src/storage/storage.js";
import type { HearOutage } from "../../packages/server/src/store.js";
import type { Admission, AdmissionLimits } from "../../packages/server/src/wire/admission.js";
import { listenWire } from "../../packages/server/src/wire/listener.js";

/**
 * Servers inside of the test's own process: their clock moves when the test says so, their store is in memory or in a
 * folder that goes with the test, and the admin password costs next to nothing.
 */

/** Stands still until it is moved; milliseconds since 1970. It begins in the middle of a TOTP step. */
export class Clock {
  #now = Date.UTC(2026, 10, 21, 12, 0, 15);

  readonly now = (): number => this.#now;

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const adminPassword = Buffer.from("correct horse battery");

/** Argon2id at the least that it can cost, so that a server takes no half second to open its store. */
export const cheap = { stretch: { memoryKiB: 8, passes: 1 } } as const;

/** Keeps what a server logs, for the test to look through. */
export class CapturedLog implements Log {
  readonly entries: { level: string; facts: object; message: string }[] = [];
  /** Hears each entry the moment it is logged. */
  onEntry: (message: string) => void = () => {};

  debug(facts: object, message: string): void {
    this.#add("debug", facts, message);
  }
  info(facts: object, message: string): void {
    this.#add("info", facts, message);
  }
  warn(facts: object, message: string): void {
    this.#add("warn", facts, message);
  }
  error(facts: object, message: string): void {
    this.#add("error", facts, message);
  }

  /** What an operator would be alarmed by. */
  get errors(): readonly object[] {
    return this.entries.filter(({ level }) => level === "error");
  }

  #add(level: string, facts: object, message: string): void {
    this.entries.push({ level, facts, message });
    this.onEntry(message);
  }
}

export interface StoreOptions {
  readonly clock?: Clock;
  readonly storage?: Storage;
}

export interface TestStore {
  readonly clock: Clock;
  readonly storage: Storage;
  readonly barrier: Barrier;
}

/** A new store, initialised, and closed when the test ends. In memory, unless a storage is given. */
export async function newStore(options: StoreOptions = {}): Promise<TestStore> {
  const { clock = new Clock(), storage = createMemoryStorage() } = options;
  const barrier = await createBarrier(storage, adminPassword, cheap);
  await initialiseStore(barrier, { now: clock.now, random: randomBytes }, ["localhost"]);
  onTestFinished(() => barrier.close());
  return { clock, storage, barrier };
}

/** The same store by another barrier: what a process that opens it later, or beside the first, has. */
export async function reopened({ clock, storage }: TestStore): Promise<TestStore> {
  const barrier = await openBarrier(storage, adminPassword, cheap);
  onTestFinished(() => barrier.close());
  return { clock, storage, barrier };
}

/** A new empty folder, gone when the test is. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "postern-attack-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function newLmdbStore(directory: string, clock = new Clock()): Promise<TestStore> {
  const storage = await openLmdbStorage({ directory, create: true, mapSize: 2 ** 28 });
  onTestFinished(() => storage.close());
  return newStore({ clock, storage });
}

/** What the rules get: to call them without a socket in between. */
export async function contextOf({ barrier, clock }: TestStore): Promise<ServiceContext> {
  const { node } = await readSettings(barrier);
  const issuer = () => "https://postern.test";
  return { barrier, node, now: clock.now, random: randomBytes, registration: "open", issuer };
}

export interface ServerOptions {
  /** Which node it is; by default it writes the store's own chain. */
  readonly node?: string;
  readonly registration?: RegistrationMode;
  readonly limits?: TestLimits;
  /** Where it listens, 127.0.0.1 where that is `true`. */
  readonly http?: boolean | "localhost";
  /** Which addresses may read the metrics; by default there are none. */
  readonly metricsReaders?: (address: string) => boolean;
  readonly onLogLevel?: (level: string | undefined) => void;
  readonly httpCertificate?: OwnCertificate;
  /** Issuer of the tokens; by default the address of the HTTPS port. */
  readonly publicUrl?: string;
  /** Whose word on who is behind them is taken on the HTTPS port; by default nobody's. */
  readonly trustedProxy?: (address: string) => boolean;
  /** Which addresses are balancers', whose connections begin with a PROXY header; by default none. */
  readonly balancers?: (address: string) => boolean;
  /** Where pages may send people; by default the hosts of the product's default. */
  readonly replyToHosts?: ReadonlySet<string>;
  /** Stands in for a mail server. */
  readonly deliver?: Deliver;
  /** Has the store's database looked after; by default nobody does. */
  readonly watchStore?: (hear: HearOutage) => void;
  /** What the store takes of its disk; by default nothing is said of it. */
  readonly storeUsage?: () => Promise<{ readonly bytes: number; readonly free: number }>;
  /** The port to listen on; by default one that the system chooses. */
  readonly port?: number;
  /** Carries callbacks; by default they wait. */
  readonly post?: Post;
  /** Where it is one of several processes of a server. */
  readonly crew?: CrewMember;
}

/** What differs from the limits of the product: places, and seconds. */
export interface TestLimits {
  readonly unauthenticated?: number;
  readonly authenticated?: number;
  readonly perPerson?: number;
  /** Whether each address has its limits. By default none has: all that a test does comes from this machine. */
  readonly byAddress?: boolean;
  readonly deadlines?: Partial<AdmissionLimits["deadlines"]>;
}

export interface TestServer extends TestStore {
  readonly port: number;
  readonly log: CapturedLog;
  readonly context: ServiceContext;
  readonly running: Omit<RunningServer, "close">;
  /** Ends the service before the test does; once is enough. */
  close(): Promise<void>;
  /** Every row of the audit log, oldest first. */
  audit(): Promise<LoggedRow[]>;
  verifyAudit(): ReturnType<typeof verifyTrail>;
}

/** The whole server, as `posternd start` composes it, on 127.0.0.1; closed when the test ends. */
export async function startInProcess(store?: TestStore, options: ServerOptions = {}): Promise<TestServer> {
  const opened = store ?? (await newStore());
  const { barrier, clock } = opened;
  const log = new CapturedLog();
  const node = options.node === undefined ? undefined : parseNodeName(options.node);
  const running = await startServer({
    barrier,
    node,
    listen: loopback(options.port ?? 0),
    http: options.http ? { ...loopback(0), ...(options.http !== true && { host: options.http }) } : undefined,
    httpCertificate: options.httpCertificate,
    deliver: options.deliver,
    replyToHosts: options.replyToHosts,
    storeUsage: options.storeUsage,
    watchStore: options.watchStore,
    trustedProxy: options.trustedProxy,
    balancers: options.balancers,
    registration: options.registration ?? "open",
    publicUrl: options.publicUrl,
    log,
    now: clock.now,
    metricsReaders: options.metricsReaders,
    onLogLevel: options.onLogLevel,
    post: options.post,
    crew: options.crew,
    logLevelPollMs: options.onLogLevel === undefined ? 2_000 : 1,
    ...limitsOf(options.limits),
  });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= running.close();
    return closing;
  };
  onTestFinished(close);
  return {
    ...opened,
    port: running.listen.port,
    log,
    running,
    close,
    context: {
      ...(await contextOf(opened)),
      node: await joinNode(barrier, { now: clock.now, random: randomBytes }, node),
    },
    audit: () => auditRows(barrier),
    verifyAudit: () => verifyTrail(barrier),
  };
}

export interface TestWire extends TestStore {
  readonly port: number;
  readonly log: CapturedLog;
  /** Which sockets the server thinks it has. */
  readonly admission: Admission;
}

/** The wire port alone, with a view of its places. */
export async function startWire(limits: TestLimits = {}): Promise<TestWire> {
  const store = await newStore();
  const { barrier, clock } = store;
  const { identity, leaf } = await currentIdentity(barrier, { now: clock.now, random: randomBytes }, ["localhost"]);
  const log = new CapturedLog();
  warmPower(group2048);
  const wire = await listenWire({
    host: "127.0.0.1",
    port: 0,
    shown: { credentials: tlsCredentials(identity, leaf), successors: [] },
    ...limitsOf(limits),
    context: { services: await contextOf(store), server: { name: "posternd", version: "0" } },
    log,
  });
  onTestFinished(() => wire.close());
  return { ...store, port: wire.address.port, log, admission: wire.admission };
}

/** A row with the name of the node that wrote it. */
export type LoggedRow = AuditRow & { readonly node: string };

export async function auditRows(barrier: Barrier): Promise<LoggedRow[]> {
  const rows: LoggedRow[] = [];
  for await (const row of auditTrail(barrier, Number.MAX_SAFE_INTEGER)) {
    if ("damaged" in row) throw new Error(`audit entry ${row.index} is damaged`);
    rows.push(row);
  }
  return rows;
}

function loopback(port: number) {
  return { host: "127.0.0.1", port, key: `127.0.0.1:${port}` };
}

function limitsOf({ deadlines, byAddress = false, ...limits }: TestLimits = {}) {
  const admission: AdmissionLimits = {
    ...defaultLimits,
    ...limits,
    deadlines: { ...defaultLimits.deadlines, ...deadlines },
  };
  return { limits: admission, exempt: () => !byAddress };
}
