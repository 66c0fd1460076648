import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Barrier } from "./barrier/barrier.js";
import { createBarrier, openBarrier } from "./barrier/barrier.js";
import { initialiseStore, isEmpty } from "./services/store.js";
import { openLmdbStorage } from "./storage/lmdb.js";
import type { Storage } from "./storage/storage.js";

/** Opens and makes the store of a data directory: storage, the barrier over it, and what a server needs in it. */

const tools = { now: Date.now, random: randomBytes };

export interface OpenStore {
  readonly barrier: Barrier;
  close(): Promise<void>;
}

export interface StoreLocation {
  readonly directory: string;
  /** Hears what the operator should know of the directory. */
  readonly warn: (warning: string) => void;
}

/** Whether there is anything that calls itself a store: what it really is, opening tells. */
export function storeExists({ directory }: StoreLocation): boolean {
  return existsSync(join(directory, "store.mdb"));
}

/** A store that waits for its password. */
export interface SealedStore {
  /** @throws PosternError `admin_password_wrong`, which leaves everything as it was; `store_damaged` and its kin */
  unseal(password: Buffer): Promise<OpenStore>;
  close(): Promise<void>;
}

/** @throws PosternError `store_missing`, `store_damaged`, `store_foreign`, `store_future`, `store_unwritable` */
export async function openSealedStore({ directory, warn }: StoreLocation): Promise<SealedStore> {
  const storage = await openLmdbStorage({ directory, create: false, warn });
  return {
    unseal: async (password) => opened(storage, await openBarrier(storage, password)),
    close: () => storage.close(),
  };
}

/** Makes a store that this password opens. Nothing is made before the password is known. */
export async function createStore({ directory, warn }: StoreLocation, password: Buffer): Promise<OpenStore> {
  const storage = await openLmdbStorage({ directory, create: true, warn });
  try {
    return await opened(storage, await createBarrier(storage, password));
  } catch (thrown) {
    await storage.close();
    throw thrown;
  }
}

async function opened(storage: Storage, barrier: Barrier): Promise<OpenStore> {
  if (await isEmpty(barrier)) await initialiseStore(barrier, tools, ["localhost"]);
  return {
    barrier,
    close: async () => {
      await barrier.close();
      await storage.close();
    },
  };
}
