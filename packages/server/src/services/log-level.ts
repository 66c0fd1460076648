import type { Barrier } from "../barrier/barrier.js";
import { deleteLogLevel, findLogLevel, type LogLevel, putLogLevel, type StoredLogLevel } from "../records/log-level.js";
import { type AuditContext, audit } from "./context.js";

/** Running servers look so often whether the level was changed. */
export const LOG_LEVEL_POLL_MS = 2_000;

/** The level that is in force for all servers of the store; undefined when each goes by its own. */
export async function storedLogLevel(barrier: Barrier, now: number): Promise<StoredLogLevel | undefined> {
  const stored = await barrier.read(findLogLevel);
  return stored !== undefined && isInForce(stored, now) ? stored : undefined;
}

/** A level that was set in the future was set by a clock that ran ahead: it must not last until then. */
function isInForce({ until, setAt }: StoredLogLevel, now: number): boolean {
  if (until === undefined) return true;
  return now < until && now >= setAt - 3_600_000;
}

/** Sets the level of all servers of the store, for so many milliseconds or until it is cleared. */
export async function setLogLevel(
  context: AuditContext,
  level: LogLevel,
  forMs: number | undefined,
): Promise<StoredLogLevel> {
  const setAt = context.now();
  const stored = { level, setAt, ...(forMs !== undefined && { until: setAt + forMs }) };
  await context.barrier.transact(async (tx) => {
    await putLogLevel(tx, stored);
    const reason = forMs === undefined ? level : `${level} for ${forMs / 60_000} min`;
    await audit(context, tx, undefined, { event: "log-level.set", outcome: "done", reason });
  });
  return stored;
}

/** Gives each server its own level back. False when that is so already. */
export async function clearLogLevel(context: AuditContext): Promise<boolean> {
  return context.barrier.transact(async (tx) => {
    if ((await findLogLevel(tx)) === undefined) return false;
    await deleteLogLevel(tx);
    await audit(context, tx, undefined, { event: "log-level.clear", outcome: "done" });
    return true;
  });
}
