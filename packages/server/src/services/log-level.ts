import type { Barrier } from "../barrier/barrier.js";
import { deleteLogLevel, findLogLevel, type LogLevel, putLogLevel, type StoredLogLevel } from "../records/log-level.js";
import { type AuditContext, audit, type Peer, type Told } from "./context.js";

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

/** Who sets a level: an operator at the store, or an application over the network. */
export interface By extends Pick<Told, "application"> {
  readonly peer?: Peer;
}

/** Sets the level of all servers of the store, for so many milliseconds or until it is cleared. */
export async function setLogLevel(
  context: AuditContext,
  level: LogLevel,
  forMs: number | undefined,
  { peer, application }: By = {},
): Promise<StoredLogLevel> {
  const setAt = context.now();
  const stored = { level, setAt, ...(forMs !== undefined && { until: setAt + forMs }) };
  await context.barrier.transact(async (tx) => {
    await putLogLevel(tx, stored);
    const reason = forMs === undefined ? level : `${level} for ${shownSpan(forMs)}`;
    await audit(context, tx, peer, { event: "log-level.set", outcome: "done", reason, application });
  });
  return stored;
}

/** Gives each server its own level back. False when that is so already. */
export async function clearLogLevel(context: AuditContext, { peer, application }: By = {}): Promise<boolean> {
  return context.barrier.transact(async (tx) => {
    if ((await findLogLevel(tx)) === undefined) return false;
    await deleteLogLevel(tx);
    await audit(context, tx, peer, { event: "log-level.clear", outcome: "done", application });
    return true;
  });
}

function shownSpan(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}
