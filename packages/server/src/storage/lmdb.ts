import { existsSync } from "node:fs";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { Calls } from "./calls.js";
import { type DataDirectoryOptions, prepareDataDirectory, syncDirectory } from "./data-directory.js";
import { runReads } from "./guarded-transaction.js";
import { alone, beginOpening } from "./lmdb-alone.js";
import { LmdbEnvironment } from "./lmdb-environment.js";
import { LmdbPump } from "./lmdb-pump.js";
import { LmdbReads } from "./lmdb-transaction.js";
import type { Storage } from "./storage.js";

export const FILE_NAME = "store.mdb";

/** LMDB sets up its lock file through memory: on a full disk that would kill the process. */
const ROOM_TO_BEGIN = 2 ** 20;

/** With `create`, directory and file are made when missing; a damaged or foreign file is refused all the same. */
export interface LmdbOptions extends DataDirectoryOptions {
  /** Bytes of address space to set aside; by default 64 GiB, or half of what `ulimit -v` leaves. */
  readonly mapSize?: number;
  /** Hears what the operator should know of the directory, a sentence each. */
  readonly warn?: (warning: string) => void;
}

export interface LmdbStorage extends Storage {
  /** Runs `work` while no other process has the store open. @throws PosternError `store_in_use` when one has */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * Opens the store of a data directory: one LMDB file, which several processes of this host may share.
 *
 * Errors: `store_missing`, `store_foreign`, `store_damaged`, `store_future`, `store_networked`, `store_unwritable`,
 * `store_in_use` (another process is replacing it), and `store_failed` (also when this process has it open already).
 */
export async function openLmdbStorage(options: LmdbOptions): Promise<LmdbStorage> {
  const { path, free, warnings } = await prepareDataDirectory(options);
  for (const warning of warnings) options.warn?.(warning);
  const file = join(path, FILE_NAME);
  const isNew = !existsSync(file);
  if (isNew && !options.create) throw new PosternError("store_missing", { detail: file });
  if (free < ROOM_TO_BEGIN && (isNew || !existsSync(`${file}-lock`))) {
    throw new PosternError("store_unwritable", { detail: `${path} has no room left` });
  }
  const opening = await beginOpening(file);
  const environment = await LmdbEnvironment.open(file, options.mapSize);
  try {
    environment.takePlace();
    opening.refuseIfAlone();
    if (isNew) await syncDirectory(path);
  } catch (thrown) {
    await environment.close();
    throw thrown;
  }
  return storageOn(environment, file);
}

function storageOn(environment: LmdbEnvironment, file: string): LmdbStorage {
  const calls = new Calls();
  const pump = new LmdbPump(environment, calls);
  return {
    transact: (fn) => calls.admit(() => pump.transact(fn)),
    read: (fn) =>
      calls.admit(() =>
        environment.read((database, snapshot) =>
          calls.within(() => runReads(new LmdbReads(database, snapshot, environment), fn)),
        ),
      ),
    alone: (work) => alone(file, async () => environment.otherProcesses(), work),
    close: () => calls.close(() => environment.close()),
  };
}
