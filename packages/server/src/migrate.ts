import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { type Barrier, openDepartedBarrier } from "./barrier/barrier.js";
import { countArrived } from "./barrier/migration.js";
import { moved, unfinished } from "./barrier/migration-notes.js";
import { type Standing, standingOf } from "./barrier/stored-header.js";
import { arrive, type Migrated, type MigrationEars, type MigrationEnd, migrateRecords } from "./migrate-records.js";
import type { AuditContext } from "./services/context.js";
import { namesOfServers } from "./services/migration.js";
import { readSettings } from "./services/store.js";
import { openExisting, openPlaced, type PlacedStorage, replaceStore, type StoreLocation } from "./store.js";

/** Moves a store from one place to another: finds what stands at both, and is alone with them. */

/** A store that is to move, or has departed and not yet arrived. */
export interface MovingStore {
  /** Where it stands as long as it has not departed. */
  readonly from: MigrationEnd;
  readonly standing: Standing & { readonly is: "store" | "departed" };
  /** @throws PosternError `admin_password_wrong`, which leaves everything as it was; `store_damaged` and its kin */
  unseal(password: Uint8Array): Promise<MovableStore>;
  close(): Promise<void>;
}

export interface MovableStore {
  /** That one would be alone with it at this moment. @throws PosternError `store_in_use` naming who has it open */
  refuseOthers(): Promise<void>;
  /**
   * Alone with both places, moves it, or does what is left of that.
   * @throws PosternError as `migrateRecords`; `store_in_use` naming who has it open; `store_moved` where it has departed
   *   to another place; what opening the target throws
   */
  moveTo(target: MigrationTarget, ears?: MigrationEars): Promise<Moved>;
}

export interface Moved extends Migrated {
  /** Where that is now which was in the target's place: a store that had departed from there. */
  readonly replaced: string | undefined;
}

/** Where a store is to go, and what is there. */
export interface MigrationTarget {
  readonly location: StoreLocation;
  readonly shown: string;
  readonly is: "empty" | "arriving" | "departed";
}

/**
 * The store of a place, to be moved.
 * @throws PosternError `store_missing`, `store_unfinished`; `store_damaged` and its kin
 */
export async function findMoving(location: StoreLocation, shown: string): Promise<MovingStore> {
  const storage = await openExisting(evenLeft(location));
  if (storage === undefined) throw new PosternError("store_missing", { detail: shown });
  const from = {
    storage,
    shown,
    mayLeave: () => storage.mayLeave(),
    leave: (where: string) => storage.leave(where),
  };
  let barrier: Barrier | undefined;
  const close = async () => {
    await barrier?.close();
    await storage.close();
  };
  try {
    const standing = await storage.read(standingOf);
    if (standing.is === "empty") throw new PosternError("store_missing", { detail: shown });
    if (standing.is === "arriving") throw unfinished(standing.arrival);
    const unseal = async (password: Uint8Array) => {
      barrier = await openDepartedBarrier(storage, password);
      const { node } = await readSettings(barrier);
      const context = { barrier, node, now: Date.now, random: randomBytes };
      return {
        refuseOthers: () => aloneWith(context, storage, async () => undefined),
        moveTo: (target: MigrationTarget, ears?: MigrationEars) =>
          moveTo(context, { from, standing, target, ears, storage }),
      };
    };
    return { from, standing, unseal, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/**
 * What stands where a store is to go. "done": the store that departed from the source.
 * @throws PosternError `store_exists` where there is another; `store_moved` where the source has departed to elsewhere;
 *   `store_damaged`, `store_foreign` and their kin
 */
export async function findTarget(
  location: StoreLocation,
  shown: string,
  { standing: source }: MovingStore,
): Promise<MigrationTarget | "done"> {
  const standing = await standingAt(location);
  if (source.is === "departed") {
    const { departure } = source;
    if (standing.is === "store" && standing.header.equals(departure.header)) return "done";
    if (standing.is !== "arriving" || standing.arrival.run !== departure.run) throw moved(departure);
  }
  if (standing.is === "store") throw new PosternError("store_exists", { detail: shown });
  return { location, shown, is: standing.is };
}

function evenLeft(location: StoreLocation): StoreLocation {
  const { database, warn } = location;
  return database === undefined ? location : { database: { ...database, evenLeft: true }, warn };
}

async function standingAt(location: StoreLocation): Promise<Standing> {
  const storage = await openExisting(evenLeft(location));
  if (storage === undefined) return { is: "empty" };
  try {
    return await storage.read(standingOf);
  } finally {
    await storage.close();
  }
}

interface Moving {
  readonly from: MigrationEnd;
  readonly storage: PlacedStorage;
  readonly standing: MovingStore["standing"];
  readonly target: MigrationTarget;
  readonly ears: MigrationEars | undefined;
}

function moveTo(context: AuditContext, { from, storage, standing, target, ears }: Moving): Promise<Moved> {
  return aloneWith(context, storage, async () => {
    const replaced = target.is === "departed" ? await putAside(target, context.now()) : undefined;
    const migrated = await inTarget(target, async (to) => {
      if (standing.is === "store") return migrateRecords(context, { from, to }, ears);
      const records = await countArrived(to.storage);
      await arrive(context, from, to);
      return { records, copied: 0, begun: "finished" as const };
    });
    return { ...migrated, replaced };
  });
}

/** Who has the store open is named, as far as it is a server. */
async function aloneWith<T>(context: AuditContext, storage: PlacedStorage, work: () => Promise<T>): Promise<T> {
  let alone = false;
  try {
    return await storage.alone(() => {
      alone = true;
      return work();
    });
  } catch (thrown) {
    if (alone || !(thrown instanceof PosternError) || thrown.code !== "store_in_use") throw thrown;
    const names = await namesOfServers(context);
    const detail = [thrown.detail, ...names].filter((part) => part !== undefined).join("; ");
    throw new PosternError("store_in_use", { detail, cause: thrown });
  }
}

/** A store that went away from a place is kept beside it, and the place is empty. One that came there since stays. */
async function putAside({ location, shown }: MigrationTarget, time: number): Promise<string | undefined> {
  if ((await standingAt(location)).is === "store") throw new PosternError("store_exists", { detail: shown });
  return (await replaceStore(location, { replace: true, time }, (storage) => storage.close())).replaced;
}

async function inTarget<T>({ location, shown }: MigrationTarget, use: (to: MigrationEnd) => Promise<T>): Promise<T> {
  const storage = await openPlaced(location, true);
  try {
    return await storage.alone(() => use({ storage, shown }));
  } finally {
    await storage.close();
  }
}

/** @throws PosternError `usage` where both are one place; two spellings of one are found when it is opened */
export function refuseSamePlace(from: StoreLocation, to: StoreLocation): void {
  const key = ({ directory, database }: StoreLocation) => {
    if (database === undefined) return canonical(directory);
    const { host, port, database: name, schema } = database.server;
    return JSON.stringify([host, port, name, schema]);
  };
  if (key(from) === key(to)) throw new PosternError("usage", { detail: "--from and --to name the same place" });
}

function canonical(directory: string): string {
  try {
    return realpathSync(directory);
  } catch {
    return resolve(directory);
  }
}
