import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { PosternError } from "@postern/shared/errors";
import pg from "pg";
import type { PostgresServer } from "../postgres-url.js";
import { storeError } from "./postgres-errors.js";
import { refuseLeft } from "./postgres-left.js";

/** How a session with the database begins. */
export interface SessionSettings {
  readonly server: PostgresServer;
  /** Asked anew for each session, where the database wants one. Undefined: there is none. */
  readonly password: () => Promise<string | undefined>;
  readonly timeouts?: Partial<Timeouts> | undefined;
  /** Whether a session may begin though the store has moved away (`postgres-left.ts`): to look at what is there. */
  readonly evenLeft?: boolean | undefined;
}

/** In milliseconds. */
export interface Timeouts {
  readonly connect: number;
  /** For the answer to a statement; the database ends it a second before. */
  readonly answer: number;
  /** For a turn at writing. */
  readonly turn: number;
  /** Between two statements of a transaction that writes: others wait for it. */
  readonly idle: number;
  /** Between two questions whether the database is there: when four of them pass without an answer, it is not. */
  readonly beat: number;
}

export const defaultTimeouts: Timeouts = { connect: 5_000, answer: 20_000, turn: 10_000, idle: 4_000, beat: 500 };

interface Opening {
  /** Whether it is this process that has closed the door. */
  readonly door: "ask" | "ours";
  /** Whether others wait for its transactions: then those that come to a stand are ended. */
  readonly writes?: boolean;
  /** Where it stands from its first moment to its last. */
  readonly among?: Set<Session>;
}

/** A statement that is prepared once in each session. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export type Value = Buffer | string | number | null;
export type Row = readonly (Buffer | string | null)[];

/**
 * What a session begins with: what is durable, how soon the database notices that this process is cut off and no more
 * present, how values are spelt, and that ranges come by the index.
 */
const SETTINGS = `
  set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply')
    THEN current_setting('synchronous_commit') ELSE 'on' END, false),
  set_config('tcp_keepalives_idle', '20', false), set_config('tcp_keepalives_interval', '10', false),
  set_config('tcp_keepalives_count', '3', false), set_config('bytea_output', 'hex', false), set_config('enable_seqscan', 'off', false),
  set_config('enable_bitmapscan', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false)`;

const OPENING = `SELECT current_setting('server_version_num'), current_setting('fsync'), pg_is_in_recovery(),
  pg_try_advisory_lock_shared($1), pg_try_advisory_xact_lock_shared($2),
  obj_description(to_regclass($3)::oid, 'pg_class'), ${SETTINGS}`;

/** The first that has all that is used, and that PostgreSQL's project still looks after. */
const OLDEST = 140_000;

/** The door is closed for moments, or as long as a rekey takes to begin: so often, and so many milliseconds apart, it is tried. */
const LOOKS = 8;
const BETWEEN_LOOKS = 25;

const END_MS = 2_000;

const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number) => (oid === pg.types.builtins.BYTEA ? bytesOf : (text: string) => text)) as never,
};

const bytesOf = (text: string) => Buffer.from(text.slice(2), "hex");

/** One connection to the database. Statements may be given without waiting for those before; they run in that order. */
export class Session {
  readonly #client: pg.Client;
  readonly #among: Set<Session> | undefined;
  #broken = false;
  /** Whether the database syncs what it commits. */
  fsync = true;

  private constructor(client: pg.Client, among: Set<Session> | undefined) {
    this.#client = client;
    this.#among = among;
    among?.add(this);
    client.on("error", () => this.#leave()).on("end", () => this.#leave());
  }

  #leave(): void {
    this.#broken = true;
    this.#among?.delete(this);
  }

  /**
   * A session that says in the database that this process has the store open, unless `alone` is under way elsewhere.
   * @throws PosternError `store_unreachable`, `store_untrusted`, `store_denied`, `store_in_use`, `store_moved`,
   *   `store_failed`
   */
  static async open(settings: SessionSettings, { door, writes = false, among }: Opening): Promise<Session> {
    const client = await clientOf(settings, writes);
    const session = new Session(client, among);
    try {
      await client.connect();
      await session.#begin(settings, door);
      return session;
    } catch (thrown) {
      void session.end();
      throw storeError(thrown);
    }
  }

  get usable(): boolean {
    return !this.#broken;
  }

  /** The database's number of this session. */
  get id(): number {
    return (this.#client as unknown as { readonly processID: number }).processID;
  }

  /** @throws what the database, or the connection to it, says */
  async run(statement: Statement, values: readonly Value[]): Promise<Row[]> {
    const { name, text } = statement;
    const result = await this.#client.query<Row & unknown[]>({ name, text, values: [...values], rowMode: "array" });
    return result.rows;
  }

  /** Statements without values, and no prepared one. Gives what the last one was, as the database has done it. */
  async command(text: string): Promise<string> {
    return (await this.#client.query(text)).command;
  }

  /** Values that no prepared statement is kept for. */
  async once(text: string, values: readonly Value[] = []): Promise<Row[]> {
    return (await this.#client.query<Row & unknown[]>({ text, values: [...values], rowMode: "array" })).rows;
  }

  /** Lets go of it without a word to the database: whoever waits for an answer of it hears that there is none. */
  cut(): void {
    this.#leave();
    (this.#client as unknown as { readonly connection: pg.Connection }).connection.stream.destroy();
  }

  /** Lets go of it, and of its locks; does not wait long for a database that has gone away. */
  async end(): Promise<void> {
    this.#leave();
    const patience = new AbortController();
    const ended = this.#client.end().catch(() => undefined);
    await Promise.race([
      ended,
      setTimeout(END_MS, undefined, { signal: patience.signal, ref: false }).catch(() => undefined),
    ]);
    patience.abort();
  }

  async #begin({ server: { schema }, evenLeft }: SessionSettings, as: Opening["door"]): Promise<void> {
    const { present, door } = advisoryKeys(schema);
    for (let look = 1; ; look++) {
      const [row = []] = await this.once(OPENING, [present, door, `${schema}.records`]);
      const [version, fsync, standby, , open, comment] = row;
      refuseServer(Number(version), standby === "t");
      if (evenLeft !== true) refuseLeft(comment);
      this.fsync = fsync === "on";
      if (open === "t" || as === "ours") return;
      // The first lock was taken before the second was tried, so who closed the door sees it: it has to go meanwhile.
      await this.once("SELECT pg_advisory_unlock_shared($1)", [present]);
      if (look === LOOKS)
        throw new PosternError("store_in_use", { detail: "it is being restored or rekeyed by another process" });
      await setTimeout(BETWEEN_LOOKS);
    }
  }
}

export interface AdvisoryKeys {
  /** Every session holds it, shared. */
  readonly present: string;
  /** Held while somebody is alone; who opens a session looks for it. */
  readonly door: string;
  /** Held while tables are made. */
  readonly making: string;
}

/** Numbers of advisory locks, which are one space in each database. */
export function advisoryKeys(schema: string): AdvisoryKeys {
  const key = (purpose: string) =>
    createHash("sha256").update(`postern ${purpose}\0${schema}`).digest().readBigInt64BE(0).toString();
  return { present: key("present"), door: key("door"), making: key("making") };
}

function refuseServer(version: number, standby: boolean): void {
  if (!(version >= OLDEST)) {
    throw new PosternError("store_foreign", { detail: "the database is no PostgreSQL of version 14 or newer" });
  }
  if (standby) throw new PosternError("store_failed", { detail: "the database is a standby, which takes no writes" });
}

async function clientOf({ server, password, timeouts }: SessionSettings, writes: boolean): Promise<pg.Client> {
  const { connect, answer, turn, idle } = { ...defaultTimeouts, ...timeouts };
  const { host, port, user, database } = server;
  return new pg.Client({
    host,
    port,
    user,
    database,
    password: async () => {
      const secret = await password();
      if (secret === undefined) throw new PosternError("store_denied", { detail: "it asks for a password" });
      return secret;
    },
    ssl: await tlsOptions(server),
    enableChannelBinding: true,
    pipeline: true,
    types,
    application_name: "posternd",
    // Said, as it would be taken from the environment otherwise.
    options: "-c client_min_messages=warning",
    connectionTimeoutMillis: connect,
    query_timeout: answer,
    statement_timeout: Math.max(answer - 1_000, 1),
    lock_timeout: turn,
    ...(writes && { idle_in_transaction_session_timeout: idle }),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  } as pg.ClientConfig);
}

async function tlsOptions({ tls, host, rootCertificate }: PostgresServer): Promise<ConnectionOptions | false> {
  if (tls === "off") return false;
  const ca = rootCertificate === undefined ? {} : { ca: await readRoot(rootCertificate) };
  const unnamed = tls === "full" ? {} : { checkServerIdentity: () => undefined };
  return {
    ...ca,
    ...unnamed,
    rejectUnauthorized: tls !== "unverified",
    minVersion: "TLSv1.2",
    ...(isIP(host) === 0 && { servername: host }),
  };
}

async function readRoot(path: string): Promise<string> {
  return readFile(path, "latin1").catch((cause: NodeJS.ErrnoException) => {
    throw new PosternError("file_unreadable", { detail: `${path}: ${cause.code}`, cause });
  });
}
