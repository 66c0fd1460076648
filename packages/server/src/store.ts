import { randomBytes } from "node:crypto";
import { stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import {
  type Barrier,
  createBarrier,
  inspectBarrier,
  type OpenBackup,
  openBarrier,
  restoreBarrier,
} from "./barrier/barrier.js";
import { probeStorage } from "./barrier/stored-header.js";
import { verifyTrail } from "./services/audit-trail.js";
import { settleRestored } from "./services/restore.js";
import { initialiseStore, isEmpty, readSettings } from "./services/store.js";
import { type DataDirectory, prepareDataDirectory } from "./storage/data-directory.js";
import { FILE_NAME, type LmdbStorage, openLmdbStorage } from "./storage/lmdb.js";
import { hasStoreFile, replaceLmdbStore } from "./storage/lmdb-replace.js";
import type { Storage } from "./storage/storage.js";

/** Opens and makes the store of a data directory: storage, the barrier over it, and what a server needs in it. */

const tools = { now: Date.now, random: randomBytes };

export interface OpenStore {
  readonly barrier: Barrier;
  /** Runs `work` while no other process has the store open. @throws PosternError `store_in_use` when one has */
  alone<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface StoreLocation {
  readonly directory: string;
  /** Hears what the operator should know of the directory. */
  readonly warn: (warning: string) => void;
}

/** A store that waits for its password. */
export interface SealedStore {
  /** @throws PosternError `admin_password_wrong`, which leaves everything as it was; `store_damaged` and its kin */
  unseal(password: Uint8Array): Promise<OpenStore>;
  /** Writes a transaction that leaves nothing. @throws PosternError `store_failed` when it cannot be made durable */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The store of a directory; undefined when there is none, also where a first start ended before it had made one.
 * @throws PosternError `store_damaged`, `store_foreign`, `store_future`, `store_unwritable`, `store_networked`
 */
export async function findStore({ directory, warn }: StoreLocation): Promise<SealedStore | undefined> {
  const storage = await openExisting(directory, warn);
  if (storage === undefined) return undefined;
  try {
    if ((await inspectBarrier(storage)) === "sealed") return sealedStore(storage);
    await storage.close();
    return undefined;
  } catch (thrown) {
    await storage.close();
    throw thrown;
  }
}

/** Makes a store that this password opens. Nothing is made before the password is known. */
export async function createStore({ directory, warn }: StoreLocation, password: Uint8Array): Promise<OpenStore> {
  const storage = await openLmdbStorage({ directory, create: true, warn });
  try {
    return await opened(storage, await createBarrier(storage, password));
  } catch (thrown) {
    await storage.close();
    throw thrown;
  }
}

/** What the store's file takes on its disk, and what is left there; in bytes. */
export async function storeUsage(directory: string): Promise<{ readonly bytes: number; readonly free: number }> {
  const [file, disk] = await Promise.all([stat(join(directory, FILE_NAME)), statfs(directory)]);
  return { bytes: file.size, free: disk.bavail * disk.bsize };
}

/**
 * What there is to say of a data directory that is fit for a store.
 * @throws PosternError `store_missing`, `store_foreign`, `store_networked`, `store_unwritable`
 */
export function examineDirectory(directory: string): Promise<DataDirectory> {
  return prepareDataDirectory({ directory, create: false });
}

/** Whether there is something in the place of a directory's store, a store or not. */
export const storeStands = hasStoreFile;

export interface Restoring {
  readonly directory: string;
  /** Whether what is there may be replaced. */
  readonly replace: boolean;
  readonly backup: OpenBackup;
  /** Hears how many bytes of the backup are read. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface RestoredStore {
  readonly records: number;
  readonly accounts: number;
  /** Where the file is now that was there before. */
  readonly replaced: string | undefined;
}

/**
 * Makes the store of a backup, beside the one that a directory has; ends what must not come back to life; and only when
 * all of it is verified puts it in place.
 * @throws PosternError `backup_damaged`, `audit_damaged`; `store_in_use`, `store_exists`; `store_damaged` and its kin for
 *   what is there; and then nothing was changed
 */
export async function restoreStore({ directory, replace, backup, onBytes }: Restoring): Promise<RestoredStore> {
  try {
    const time = tools.now();
    const { value, replaced } = await replaceLmdbStore({ directory, replace, time }, async (temporary) => {
      const storage = await openLmdbStorage({ directory: temporary, create: true });
      try {
        return await fillAndSettle(storage, backup, onBytes);
      } finally {
        await storage.close();
      }
    });
    return { ...value, replaced };
  } finally {
    backup.keyrings.wipe();
  }
}

async function fillAndSettle(
  storage: Storage,
  backup: OpenBackup,
  onBytes: Restoring["onBytes"],
): Promise<Omit<RestoredStore, "replaced">> {
  const { barrier, totals } = await restoreBarrier(storage, backup, onBytes === undefined ? {} : { onBytes });
  try {
    const verdict = await verifyTrail(barrier);
    if (!verdict.ok) throw new PosternError("audit_damaged", { detail: `entry ${verdict.firstBad} is ${verdict.why}` });
    const { node } = await readSettings(barrier);
    return { records: totals.entries, ...(await settleRestored({ barrier, node, ...tools }, backup.head.time)) };
  } finally {
    await barrier.close();
  }
}

async function openExisting(directory: string, warn: (warning: string) => void): Promise<LmdbStorage | undefined> {
  try {
    return await openLmdbStorage({ directory, create: false, warn });
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "store_missing") return undefined;
    throw thrown;
  }
}

function sealedStore(storage: LmdbStorage): SealedStore {
  return {
    unseal: async (password) => opened(storage, await openBarrier(storage, password)),
    probe: () => probeStorage(storage),
    close: () => storage.close(),
  };
}

async function opened(storage: LmdbStorage, barrier: Barrier): Promise<OpenStore> {
  try {
    if (await isEmpty(barrier)) await initialiseStore(barrier, tools, ["localhost"]);
  } catch (thrown) {
    await barrier.close();
    throw thrown;
  }
  return {
    barrier,
    alone: (work) => storage.alone(work),
    close: async () => {
      await barrier.close();
      await storage.close();
    },
  };
}
