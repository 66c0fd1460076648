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
  openBarrierByRootKey,
  restoreBarrier,
} from "./barrier/barrier.js";
import type { SecureBuffer } from "./barrier/secure-buffer.js";
import { probeStorage } from "./barrier/stored-header.js";
import type { PostgresServer } from "./postgres-url.js";
import { badEntryText } from "./records/audit-chain.js";
import { damaged } from "./records/audit-checkpoint.js";
import { verifyTrail } from "./services/audit-trail.js";
import { settleRestored } from "./services/restore.js";
import { initialiseStore, isEmpty, readSettings } from "./services/store.js";
import { type DataDirectory, findRoom, prepareDataDirectory } from "./storage/data-directory.js";
import { FILE_NAME, openLmdbStorage } from "./storage/lmdb.js";
import { hasStoreFile, replaceLmdbStore } from "./storage/lmdb-replace.js";
import type { HearOutage } from "./storage/postgres-watch.js";
import type { Storage } from "./storage/storage.js";

/**
 * Opens and makes the store of a data directory or a database: storage, the barrier over it, and what a server needs in
 * it.
 */

const tools = { now: Date.now, random: randomBytes };

export type { HearOutage } from "./storage/postgres-watch.js";

export interface OpenStore {
  readonly barrier: Barrier;
  /** Runs `work` while no other process has the store open. @throws PosternError `store_in_use` when one has */
  alone<T>(work: () => Promise<T>): Promise<T>;
  usage(): Promise<StoreUsage>;
  /** Has a database looked after while it is served, and tells when it is away, and when it is back. */
  watch(hear: HearOutage): void;
  close(): Promise<void>;
}

/** What a store takes, and what is left for it, in bytes; a database does not tell what its disk has left. */
export interface StoreUsage {
  readonly bytes: number;
  readonly free?: number;
}

/** A store in a database, and how its password is had, where the database asks for one. */
export interface DatabasePlace {
  readonly server: PostgresServer;
  readonly password: () => Promise<string | undefined>;
  /** Whether it may be opened though the store has moved away. */
  readonly evenLeft?: boolean;
}

export type StorePlace =
  | { readonly directory: string; readonly database?: undefined }
  | { readonly directory?: undefined; readonly database: DatabasePlace };

export type StoreLocation = StorePlace & {
  /** Hears what the operator should know of the directory, or of the database. */
  readonly warn: (warning: string) => void;
};

/** Where a store is, as a person would say it. */
export const shownPlace = ({ directory, database }: StorePlace): string => directory ?? database.server.shown;

/** What both storages of an operator can do. */
export interface PlacedStorage extends Storage {
  alone: OpenStore["alone"];
  usage: OpenStore["usage"];
  /** Whether `leave` can be done. @throws PosternError `store_denied`, `store_in_use` */
  mayLeave(): Promise<void>;
  /** Keeps out who has the keys still, where there may be somebody. `where` the store is now. @throws `store_in_use` */
  leave(where: string): Promise<void>;
  watch: OpenStore["watch"];
}

/** A store that waits for its password. */
export interface SealedStore {
  /** @throws PosternError `admin_password_wrong`, which leaves everything as it was; `store_damaged` and its kin */
  unseal(password: Uint8Array): Promise<OpenStore>;
  /** The same by the root key that another process of this server has handed over. Takes over the key. */
  unsealByRootKey(rootKey: SecureBuffer): Promise<OpenStore>;
  /** Writes a transaction that leaves nothing. @throws PosternError `store_failed` when it cannot be made durable */
  probe(): Promise<void>;
  usage(): Promise<StoreUsage>;
  close(): Promise<void>;
}

/**
 * The store of a place; undefined when there is none, also where a first start ended before it had made one.
 * @throws PosternError `store_damaged`, `store_foreign`, `store_future`, `store_unwritable`, `store_networked`; of a
 *   database `store_unreachable`, `store_untrusted`, `store_denied`
 */
export async function findStore(location: StoreLocation): Promise<SealedStore | undefined> {
  const storage = await openExisting(location);
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
export async function createStore(location: StoreLocation, password: Uint8Array): Promise<OpenStore> {
  const storage = await openPlaced(location, true);
  try {
    return await opened(storage, await createBarrier(storage, password));
  } catch (thrown) {
    await storage.close();
    throw thrown;
  }
}

/** What the store's file takes on its disk, and what is left there; in bytes. */
export async function storeUsage(directory: string): Promise<Required<StoreUsage>> {
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

/** Whether there is something in the place of a store, a store or not. */
export async function storeStands({ directory, database }: StorePlace): Promise<boolean> {
  if (database === undefined) return hasStoreFile(directory);
  const { hasTables } = await import("./storage/postgres-replace.js");
  return hasTables(database);
}

export interface Restoring {
  readonly place: StorePlace;
  /** Whether what is there may be replaced. */
  readonly replace: boolean;
  readonly backup: OpenBackup;
  /** Hears how many bytes of the backup are read. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface RestoredStore {
  readonly records: number;
  readonly accounts: number;
  /** Where that is now which was there before: a file, or a schema of the database. */
  readonly replaced: string | undefined;
}

/**
 * Makes the store of a backup, beside the one that is there; ends what must not come back to life; and only when
 * all of it is verified puts it in place.
 * @throws PosternError `backup_damaged`, `audit_damaged`; `store_in_use`, `store_exists`; `store_damaged` and its kin for
 *   what is there; and then nothing was changed
 */
export async function restoreStore({ place, replace, backup, onBytes }: Restoring): Promise<RestoredStore> {
  const fill = async (storage: Storage) => {
    try {
      return await fillAndSettle(storage, backup, onBytes);
    } finally {
      await storage.close();
    }
  };
  try {
    const { value, replaced } = await replaceStore(place, { replace, time: tools.now() }, fill);
    return { ...value, replaced };
  } finally {
    backup.keyrings.wipe();
  }
}

/** Puts what `fill` makes in the place of what is there, which is kept. @throws PosternError as `restoreStore` */
export async function replaceStore<T>(
  { directory, database }: StorePlace,
  how: { readonly replace: boolean; readonly time: number },
  fill: (storage: Storage) => Promise<T>,
): Promise<{ readonly value: T; readonly replaced: string | undefined }> {
  if (database === undefined) {
    return replaceLmdbStore({ directory, ...how }, async (temporary) =>
      fill(await openLmdbStorage({ directory: temporary, create: true })),
    );
  }
  const [{ replacePostgresStore }, { openPostgresStorage }] = await Promise.all([
    import("./storage/postgres-replace.js"),
    import("./storage/postgres.js"),
  ]);
  return replacePostgresStore({ settings: database, ...how }, async (beside) =>
    fill(await openPostgresStorage({ ...beside, create: true })),
  );
}

async function fillAndSettle(
  storage: Storage,
  backup: OpenBackup,
  onBytes: Restoring["onBytes"],
): Promise<Omit<RestoredStore, "replaced">> {
  const { barrier, totals } = await restoreBarrier(storage, backup, onBytes === undefined ? {} : { onBytes });
  try {
    const verdict = await verifyTrail(barrier);
    if (!verdict.ok) throw damaged(badEntryText(verdict));
    const { node } = await readSettings(barrier);
    return { records: totals.entries, ...(await settleRestored({ barrier, node, ...tools }, backup.head.time)) };
  } finally {
    await barrier.close();
  }
}

/** Undefined where nothing stands there. @throws PosternError as `findStore` */
export async function openExisting(location: StoreLocation): Promise<PlacedStorage | undefined> {
  try {
    return await openPlaced(location, false);
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "store_missing") return undefined;
    throw thrown;
  }
}

/** Whether a store that is there can be written to, as far as its place tells. @throws PosternError `store_failed` */
export async function refuseWithoutRoom({ directory }: StoreLocation): Promise<void> {
  if (directory !== undefined) await findRoom(directory);
}

/** @throws PosternError as `findStore`; without `create` also `store_missing` */
export async function openPlaced(
  { directory, database, warn }: StoreLocation,
  create: boolean,
): Promise<PlacedStorage> {
  if (database === undefined) {
    const storage = await openLmdbStorage({ directory, create, warn });
    const nobody = async () => undefined;
    const usage = () => storeUsage(directory);
    return { ...storage, usage, mayLeave: nobody, leave: nobody, watch: () => undefined };
  }
  // What talks to a database takes a while to load: nobody waits for it whose store is in a file.
  const { openPostgresStorage } = await import("./storage/postgres.js");
  const storage = await openPostgresStorage({ ...database, create, warn });
  return { ...storage, usage: async () => ({ bytes: await storage.usage() }) };
}

function sealedStore(storage: PlacedStorage): SealedStore {
  return {
    unseal: async (password) => opened(storage, await openBarrier(storage, password)),
    unsealByRootKey: async (rootKey) => opened(storage, await openBarrierByRootKey(storage, rootKey)),
    probe: () => probeStorage(storage),
    usage: () => storage.usage(),
    close: () => storage.close(),
  };
}

async function opened(storage: PlacedStorage, barrier: Barrier): Promise<OpenStore> {
  try {
    if (await isEmpty(barrier)) await initialiseStore(barrier, tools, ["localhost"]);
  } catch (thrown) {
    await barrier.close();
    throw thrown;
  }
  return {
    barrier,
    alone: (work) => storage.alone(work),
    usage: () => storage.usage(),
    watch: (hear) => storage.watch(hear),
    close: async () => {
      await barrier.close();
      await storage.close();
    },
  };
}
