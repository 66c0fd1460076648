import { PosternError } from "@postern/shared/errors";
import { isLocal } from "../postgres-url.js";
import { Calls } from "./calls.js";
import { runReads } from "./guarded-transaction.js";
import { alone, refuseWhoStays } from "./postgres-alone.js";
import { asked, storeError } from "./postgres-errors.js";
import { markLeft } from "./postgres-left.js";
import { SessionPool } from "./postgres-pool.js";
import { PostgresPump } from "./postgres-pump.js";
import { SnapshotReads } from "./postgres-reads.js";
import { findTables, makeTables, type Statements, statementsOf } from "./postgres-schema.js";
import type { Session, SessionSettings } from "./postgres-session.js";
import type { HearOutage } from "./postgres-watch.js";
import type { Awaitable, ReadTransaction, Storage } from "./storage.js";

export interface PostgresOptions extends SessionSettings {
  /** Makes the tables where there are none; those of another program are refused all the same. */
  readonly create: boolean;
  /** Hears what the operator should know of the database, a sentence each. */
  readonly warn?: (warning: string) => void;
}

export interface PostgresStorage extends Storage {
  /** Runs `work` while no other process has the store open. @throws PosternError `store_in_use` when one has */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Whether `leave` can be done. @throws PosternError `store_denied`; `store_in_use` when another process has it open */
  mayLeave(): Promise<void>;
  /**
   * Nobody begins a session any more, but who means to look at what is left. `where` the store is now.
   * @throws PosternError `store_in_use` when somebody had begun one before
   */
  leave(where: string): Promise<void>;
  /** What the store takes in the database, in bytes. */
  usage(): Promise<number>;
  /**
   * Looks from now on whether the database is there, and tells of each outage and of its end, and of calls that fail
   * meanwhile. While an outage lasts every call is refused at once. For who serves: it takes a session more.
   */
  watch(hear: HearOutage): void;
}

/**
 * Opens the store of a database, which any number of processes on any number of machines may share.
 *
 * Errors: `store_missing`, `store_foreign`, `store_future`, `store_unreachable`, `store_untrusted`, `store_denied`,
 * `store_in_use` (another process is replacing it), `store_moved`, `store_failed`.
 */
export async function openPostgresStorage(options: PostgresOptions): Promise<PostgresStorage> {
  const { server, create, warn } = options;
  const pool = new SessionPool(options);
  try {
    const session = await pool.writer();
    const found = await findTables(session, server.schema);
    if (found === "nothing" && !create) throw new PosternError("store_missing", { detail: server.shown });
    if (found !== "store") await makeTables(session, server.schema);
    for (const warning of warningsAbout(options, session)) warn?.(warning);
  } catch (thrown) {
    await pool.close();
    throw storeError(thrown);
  }
  return storageOn(pool, options);
}

function storageOn(pool: SessionPool, { server: { schema } }: PostgresOptions): PostgresStorage {
  const calls = new Calls();
  const statements = statementsOf(schema);
  const pump = new PostgresPump(pool, statements, calls);
  return {
    transact: (fn) => calls.admit(() => pool.watched(() => pump.transact(fn))),
    read: (fn) =>
      calls.admit(() => pool.watched(() => read(pool, statements, (tx) => calls.within(async () => fn(tx))))),
    alone: (work) => alone(pool, schema, work),
    mayLeave: () => calls.admit(() => asked(() => mayLeave(pool, schema))),
    leave: (where) => calls.admit(() => asked(() => leave(pool, schema, where))),
    usage: () => calls.admit(() => usageOf(pool, schema)),
    watch: (hear) => pool.watch(hear),
    close: () => calls.close(() => pool.close()),
  };
}

/** A snapshot that stays as it is, however long `fn` takes; it is never asked for anew, as `fn` must not run twice. */
async function read<T>(
  pool: SessionPool,
  statements: Statements,
  fn: (tx: ReadTransaction) => Awaitable<T>,
): Promise<T> {
  return pool.reading(async (session) => {
    const begun = session.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    begun.catch(() => undefined);
    const failures: unknown[] = [];
    const reads = new SnapshotReads(session, statements);
    const watched = <V>(reading: Promise<V>) =>
      reading.catch((thrown) => {
        failures.push(thrown);
        throw storeError(thrown);
      });
    try {
      return await runReads({ get: (key) => watched(reads.get(key)), scan: (range) => watched(reads.scan(range)) }, fn);
    } finally {
      // Nobody waits for the end of what has written nothing; whoever has the session next runs behind it.
      session.command("COMMIT").catch(() => void session.end());
      if (failures.length > 0) void session.end();
    }
  });
}

async function mayLeave(pool: SessionPool, schema: string): Promise<void> {
  await refuseUnlessOwner(await pool.writer(), schema);
  await refuseWhoStays(pool, schema);
}

/**
 * Comments are for who owns the table, as who has made it does.
 * @throws PosternError `store_denied` for anybody else, who could not say that the store has moved
 */
async function refuseUnlessOwner(session: Session, schema: string): Promise<void> {
  const owned = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = $1::regclass";
  const [row] = await session.once(owned, [`${schema}.records`]);
  if (row?.[0] === "t") return;
  throw new PosternError("store_denied", { detail: `a store moves as the owner of ${schema}.records` });
}

/** Who is alone loses that with a connection. So whoever came in before the mark is seen behind it, and nobody after. */
async function leave(pool: SessionPool, schema: string, where: string): Promise<void> {
  await (await pool.writer()).command(markLeft(schema, where));
  await refuseWhoStays(pool, schema);
}

function usageOf(pool: SessionPool, schema: string): Promise<number> {
  return asked(() =>
    pool.reading(async (session) => {
      const [row] = await session.once("SELECT pg_total_relation_size($1::regclass)", [`${schema}.records`]);
      return Number(row?.[0]);
    }),
  );
}

function warningsAbout({ server }: PostgresOptions, session: Session): string[] {
  const warnings: string[] = [];
  const { host, tls, shown } = server;
  if (!session.fsync) {
    warnings.push(`${shown} runs with fsync off: what was granted may be lost when its machine fails`);
  }
  if (!isLocal(host) && (tls === "off" || tls === "unverified")) {
    const how = tls === "off" ? "without TLS" : "without a look at its certificate";
    warnings.push(`${shown} is reached ${how}: who is in between may read the password of the database`);
  }
  return warnings;
}
