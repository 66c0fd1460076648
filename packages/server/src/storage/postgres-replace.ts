import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { alone } from "./postgres-alone.js";
import { asked } from "./postgres-errors.js";
import { SessionPool } from "./postgres-pool.js";
import { findTables } from "./postgres-schema.js";
import type { Session, SessionSettings } from "./postgres-session.js";

export interface PostgresReplacement {
  readonly settings: SessionSettings;
  /** Whether what is there may be replaced. */
  readonly replace: boolean;
  /** For the name that what was there gets; milliseconds since 1970. */
  readonly time: number;
}

/** Whether there is something in the place of a store, a store or not. */
export async function hasTables(settings: SessionSettings): Promise<boolean> {
  return withPool(settings, async (pool) => (await standing(await pool.writer(), settings.server.schema)) === "taken");
}

/**
 * Puts another store in the place of the one that a schema has: `fill` makes it in a schema beside, and one transaction
 * renames both. What was there stays, under a dated name. Nobody else has the store open meanwhile.
 * @throws PosternError `store_in_use`, `store_exists`; what `fill` throws: then nothing was changed
 */
export async function replacePostgresStore<T>(
  { settings, replace, time }: PostgresReplacement,
  fill: (beside: SessionSettings) => Promise<T>,
): Promise<{ readonly value: T; readonly replaced: string | undefined }> {
  const { schema } = settings.server;
  return withPool(settings, (pool) =>
    alone(pool, schema, async () => {
      const before = await standing(await pool.writer(), schema);
      if (before === "taken" && !replace) throw new PosternError("store_exists");
      const beside = `${schema}_r${randomBytes(4).toString("hex")}`;
      try {
        const value = await fill({ ...settings, server: { ...settings.server, schema: beside } });
        const kept = `${schema}_${dated(time)}`;
        await inPlace(await pool.writer(), { schema, before, beside, kept });
        return { value, replaced: before === "taken" ? kept : undefined };
      } catch (thrown) {
        await (await pool.writer()).command(`DROP SCHEMA IF EXISTS ${beside} CASCADE`).catch(() => undefined);
        throw thrown;
      }
    }),
  );
}

type Standing = "nothing" | "empty" | "taken";

async function standing(session: Session, schema: string): Promise<Standing> {
  const there = await asked(() => session.once("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]));
  if (there.length === 0) return "nothing";
  try {
    return (await asked(() => findTables(session, schema))) === "nothing" ? "empty" : "taken";
  } catch (thrown) {
    // Another program's, or a newer one's: it can be moved away, but is not to be looked into.
    if (thrown instanceof PosternError && /^store_(foreign|future)$/.test(thrown.code)) return "taken";
    throw thrown;
  }
}

interface Places {
  readonly schema: string;
  readonly before: Standing;
  readonly beside: string;
  readonly kept: string;
}

async function inPlace(session: Session, { schema, before, beside, kept }: Places): Promise<void> {
  const away = {
    nothing: "",
    empty: `DROP SCHEMA ${schema};`,
    taken: `ALTER SCHEMA ${schema} RENAME TO ${kept};`,
  };
  try {
    await asked(() => session.command(`BEGIN; ${away[before]} ALTER SCHEMA ${beside} RENAME TO ${schema}; COMMIT`));
  } catch (thrown) {
    await session.command("ROLLBACK").catch(() => undefined);
    throw thrown;
  }
}

/** `20261130t101500`, in UTC. */
function dated(time: number): string {
  return new Date(time).toISOString().slice(0, 19).replaceAll(/[-:]/g, "").toLowerCase();
}

/** What is there may be anything, also what a store has left. */
async function withPool<T>(settings: SessionSettings, work: (pool: SessionPool) => Promise<T>): Promise<T> {
  const pool = new SessionPool({ ...settings, evenLeft: true });
  try {
    return await work(pool);
  } finally {
    await pool.close();
  }
}
