import { PosternError } from "@postern/shared/errors";
import { beginArrival, compare, copyRest, lastArrived, removeArrived } from "./barrier/migration.js";
import { findDeparture, whereTo } from "./barrier/migration-notes.js";
import type { AuditContext } from "./services/context.js";
import { auditMigration, logState, refuseChanged } from "./services/migration.js";
import type { Storage } from "./storage/storage.js";

/**
 * Moves a store from one storage to another, with its keys and all that it holds: what decides who gets in goes on. The
 * steps, and which of the two opens at each, are those of `barrier/migration.ts` and `barrier/migration-notes.ts`.
 */

/** What is being done: all of one before the next. */
export type MigrationPhase = "reading" | "copying" | "comparing" | "moving";

export type Begun = "new" | "resumed" | "anew";

export interface MigrationEars {
  /** Hears how far a phase is: so many records, of so many where that is known. */
  readonly onProgress?: ((phase: MigrationPhase, done: number, total?: number) => void) | undefined;
  /** Hears whether this goes on with an earlier run, or begins anew as the store has changed since. */
  readonly onBegun?: ((begun: Begun) => void) | undefined;
}

/** One end of a migration, and its place as it is shown. */
export interface MigrationEnd {
  readonly storage: Storage;
  readonly shown: string;
  /** Whether `leave` can be done: asked before anything departs. */
  readonly mayLeave?: () => Promise<void>;
  /** Keeps out who has the keys of what departed from here; before it arrives anywhere. */
  readonly leave?: (where: string) => Promise<void>;
}

export interface Migrated {
  /** All that was moved. */
  readonly records: number;
  /** How many of them this run has copied. */
  readonly copied: number;
  /** `finished`: only the last step was left. */
  readonly begun: Begun | "finished";
}

/**
 * Moves the store of `context.barrier` into another storage, which is empty or has what an earlier run has left. Nobody
 * else may have either of them open. Up to the last two commits the store is where it was.
 * @throws PosternError `store_damaged` naming a record; `migration_differs`; `store_unfinished`, `store_exists` for what
 *   the target holds; `store_in_use` when the store was changed meanwhile, or is
 *   open to somebody; `store_denied` when nobody could be kept out where it was
 */
export async function migrateRecords(
  context: AuditContext,
  { from, to }: { readonly from: MigrationEnd; readonly to: MigrationEnd },
  { onProgress, onBegun, page }: MigrationEars & { readonly page?: number } = {},
): Promise<Migrated> {
  const { barrier, now, random } = context;
  await from.mayLeave?.();
  const log = await barrier.read(logState);
  const last = await lastArrived(to.storage);
  const { digest, entries, before } = await barrier.survey(last, (done) => onProgress?.("reading", done));
  const arrival = { storeId: barrier.storeId, digest, from: from.shown, time: now(), run: random(16).toString("hex") };
  const { run, begun } = await beginArrival(to.storage, arrival);
  onBegun?.(begun);
  const there = begun === "resumed" ? before : 0;
  onProgress?.("copying", there, entries);
  const copied = await copyRest(from.storage, to.storage, {
    page,
    onRecords: (done) => onProgress?.("copying", there + done, entries),
  });
  await compareOrBeginAnew(from.storage, to.storage, (done) => onProgress?.("comparing", done, entries));
  onProgress?.("moving", entries, entries);
  await from.mayLeave?.();
  await barrier.depart({ run, to: to.shown, time: now(), unchanged: (tx) => refuseChanged(tx, log) });
  await arrive(context, from, to);
  return { records: entries, copied, begun };
}

/** The last step; also by itself, where the run before was cut in front of it. */
export async function arrive(context: AuditContext, from: MigrationEnd, to: MigrationEnd): Promise<void> {
  const departure = await from.storage.read(findDeparture);
  if (departure !== undefined) await from.leave?.(whereTo(departure));
  await context.barrier.arriveAt(to.storage, (tx) => auditMigration(context, tx, from.shown));
}

/** What differs is removed, so that the next run begins anew. */
async function compareOrBeginAnew(from: Storage, to: Storage, onRecords: (done: number) => void): Promise<void> {
  try {
    await compare(from, to, onRecords);
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "migration_differs") await removeArrived(to);
    throw thrown;
  }
}
