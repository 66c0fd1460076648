import { PosternError } from "@postern/shared/errors";
import { advisoryKeys, type Session, type Statement } from "./postgres-session.js";

/**
 * What a store is in a database: a schema with two tables. `records` has the keys and the sealed values. `format` has one
 * number, and is what writers take turns by: nothing is ever changed in it, so no vacuum stands in their way.
 *
 * Names need no quotes: `parsePostgresUrl` takes no others.
 */

/** The form of the tables that this program makes and reads. */
const FORMAT = 1;

/** By its index, what makes the form behind it. Each runs once, in one transaction with the note that it did. */
const migrations: readonly ((schema: string) => string)[] = [
  (schema) => `
    CREATE TABLE ${schema}.records (key bytea PRIMARY KEY, value bytea NOT NULL) WITH (fillfactor = 80);
    ALTER TABLE ${schema}.records ALTER COLUMN value SET STORAGE EXTERNAL;
    CREATE TABLE ${schema}.format (version integer NOT NULL);
    INSERT INTO ${schema}.format VALUES (0)`,
];

/** What there is of a store, as far as its tables tell. */
export type Found = "nothing" | "older" | "store";

/** @throws PosternError `store_foreign`, `store_future`; what the database says */
export async function findTables(session: Session, schema: string): Promise<Found> {
  const tables = await session.once(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind <> 'i'",
    [schema],
  );
  const names = tables.map(([name]) => String(name));
  if (names.length === 0) return "nothing";
  if (!names.includes("records") || !names.includes("format")) {
    throw new PosternError("store_foreign", { detail: `the schema ${schema} holds something else` });
  }
  const rows = await session.once(`SELECT version FROM ${schema}.format`);
  const version = rows.length === 1 ? Number(rows[0]?.[0]) : Number.NaN;
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new PosternError("store_foreign", { detail: `${schema}.format does not say what it should` });
  }
  if (version > FORMAT) throw new PosternError("store_future");
  return version < FORMAT ? "older" : "store";
}

/**
 * Makes the tables, or brings them up to this program's form. Of two that begin at once one waits for the other.
 * @throws PosternError `store_foreign`, `store_future`; what the database says
 */
export async function makeTables(session: Session, schema: string): Promise<void> {
  await session.command("BEGIN ISOLATION LEVEL READ COMMITTED");
  try {
    await session.once("SELECT pg_advisory_xact_lock($1)", [advisoryKeys(schema).making]);
    await makeSchema(session, schema);
    const found = await findTables(session, schema);
    const from = found === "nothing" ? 0 : await versionOf(session, schema);
    for (const migration of migrations.slice(from)) await session.command(migration(schema));
    await session.command(`UPDATE ${schema}.format SET version = ${FORMAT}`);
    await session.command("COMMIT");
  } catch (thrown) {
    await session.command("ROLLBACK").catch(() => undefined);
    throw thrown;
  }
}

/** Asked first: to make a schema takes a right even where it is there already. */
async function makeSchema(session: Session, schema: string): Promise<void> {
  const there = await session.once("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
  if (there.length === 0) await session.command(`CREATE SCHEMA ${schema}`);
}

async function versionOf(session: Session, schema: string): Promise<number> {
  return Number((await session.once(`SELECT version FROM ${schema}.format`))[0]?.[0]);
}

export interface Statements {
  readonly get: Statement;
  readonly lookUp: Statement;
  readonly scan: Statement;
  readonly scanBack: Statement;
  readonly put: Statement;
  readonly remove: Statement;
  /** Makes a transaction the only one that writes, before it has looked at anything. */
  readonly turn: string;
}

export function statementsOf(schema: string): Statements {
  const range = `SELECT key, value FROM ${schema}.records WHERE key >= $1 AND key < $2 ORDER BY key`;
  return {
    get: { name: "get", text: `SELECT value FROM ${schema}.records WHERE key = $1` },
    lookUp: {
      name: "lookUp",
      text: `SELECT r.key, CASE WHEN r.key = wanted.key THEN r.value END
        FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted (key, place)
        LEFT JOIN LATERAL (SELECT key, value FROM ${schema}.records WHERE key >= wanted.key ORDER BY key LIMIT 1) AS r ON true
        ORDER BY wanted.place`,
    },
    scan: { name: "scan", text: `${range} LIMIT $3::bigint` },
    scanBack: { name: "scanBack", text: `${range} DESC LIMIT $3::bigint` },
    put: {
      name: "put",
      text: `INSERT INTO ${schema}.records (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[])
        ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value`,
    },
    remove: { name: "remove", text: `DELETE FROM ${schema}.records WHERE key = ANY($1::bytea[])` },
    turn: `LOCK TABLE ${schema}.format IN EXCLUSIVE MODE`,
  };
}
