import { setTimeout } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { asked } from "./postgres-errors.js";
import type { SessionPool } from "./postgres-pool.js";
import { advisoryKeys, type Session } from "./postgres-session.js";

/**
 * What may only happen while no other process has the store open, as `lmdb-alone.ts` has it for a file, by advisory
 * locks of the database. Two sides, each of which says what it does before it looks what the other one does:
 *
 * - who wants to be alone closes the door, a lock, and then looks who is present;
 * - who begins a session takes a share of being present, for as long as the session lasts, and then looks at the door.
 *
 * Both end with their sessions, so a process that is killed leaves nothing; and a session that broke must come through
 * the door again.
 */

/** @throws PosternError `store_in_use`; what `work` throws */
export async function alone<T>(pool: SessionPool, schema: string, work: () => Promise<T>): Promise<T> {
  const { door } = advisoryKeys(schema);
  return pool.reading(async (session) => {
    const own = await asked(() => session.once("SELECT pg_try_advisory_lock($1)", [door]));
    if (own[0]?.[0] !== "t") throw inUse("it is being restored or rekeyed by another process");
    return pool.throughOwnDoor(async () => {
      try {
        await refuseOthers(session, schema, pool.ids);
        return await work();
      } finally {
        await session.once("SELECT pg_advisory_unlock($1)", [door]).catch(() => session.end());
      }
    });
  });
}

/** @throws PosternError `store_in_use` when other sessions than these are present */
async function refuseOthers(session: Session, schema: string, own: readonly number[]): Promise<void> {
  const others = await asked(() => othersPresent(session, advisoryKeys(schema).present, own));
  if (others > 0) throw inUse(`other processes have ${others} connections to it`);
}

/** Who only looks whether it may come in is present for a moment: so often, and so many milliseconds apart, it is looked. */
const LOOKS = 8;
const BETWEEN_LOOKS = 25;

/** @throws PosternError `store_in_use` when other processes stay present */
export async function refuseWhoStays(pool: SessionPool, schema: string): Promise<void> {
  const session = await pool.writer();
  for (let look = 1; look < LOOKS; look++) {
    if ((await asked(() => othersPresent(session, advisoryKeys(schema).present, pool.ids))) === 0) return;
    await setTimeout(BETWEEN_LOOKS);
  }
  await refuseOthers(session, schema, pool.ids);
}

/** An advisory lock of one number stands in pg_locks as its two halves, of the present database. */
async function othersPresent(session: Session, present: string, own: readonly number[]): Promise<number> {
  const [row] = await session.once(
    `SELECT count(*) FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ShareLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32) | objid::bigint = $1::bigint AND NOT pid = ANY($2::int[])`,
    [present, `{${own.join(",")}}`],
  );
  return Number(row?.[0]);
}

const inUse = (detail: string) => new PosternError("store_in_use", { detail });
