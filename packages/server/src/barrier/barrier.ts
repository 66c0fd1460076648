import { PosternError } from "@postern/shared/errors";
import type { Awaitable, ReadTransaction, Storage, WriteTransaction } from "../storage/storage.js";
import { UnderWay } from "../storage/under-way.js";
import { ADMIN_STRETCH, ADMIN_STRETCH_FLOOR, chosenPassword, offeredPassword, type Stretch } from "./admin-password.js";
import { type BackupTarget, writeBackup } from "./backup.js";
import type { BackupTotals } from "./backup-format.js";
import { fillFromBackup, type OpenBackup, readBackup, type SealedBackup } from "./backup-reader.js";
import { deriveDecoy, deriveNameIndex } from "./derive.js";
import { parseHeader } from "./header.js";
import { Keyring } from "./keyring.js";
import { KeyringStore, openKeyring, putKeyring } from "./keyring-store.js";
import { arrive, type Departing, depart, type Survey, survey } from "./migration.js";
import { findDeparture } from "./migration-notes.js";
import {
  addTerm,
  type BatchOptions,
  countTerms,
  dropUnusedTerms,
  type ResealProgress,
  readTerms,
  reseal,
  type TermCounts,
  type Terms,
} from "./rekey.js";
import { drawRootKey, unwrapRootKey, wrapRootKey } from "./root-key.js";
import {
  SealedReads,
  type SealedReadTransaction,
  SealedWrites,
  type SealedWriteTransaction,
} from "./sealed-transaction.js";
import { handingOver, type SecureBuffer, withSecret } from "./secure-buffer.js";
import { type Bounds, HEADER_KEY, KEYRING_KEY } from "./storage-keys.js";
import { findHeader, getHeader, refuseUnlessEmpty, replaceRootKey, rewrapHeader } from "./stored-header.js";

export type { BackupTarget } from "./backup.js";
export type { BackupTotals } from "./backup-format.js";
export type { OpenBackup, SealedBackup } from "./backup-reader.js";
export type { SealedReadTransaction, SealedWriteTransaction } from "./sealed-transaction.js";
export type { SealedRange } from "./storage-keys.js";

/**
 * The barrier stands between plaintext and an untrusted `Storage`: admin password → wrapping key → root key → keyring →
 * terms → records. Whoever holds the storage but not the admin password learns how many values of what sizes there
 * are, and when they change; a value that was altered, or moved to another key, does not open.
 *
 * What it cannot see: that a value, or the whole storage, was put back to what it was, or that a value is gone.
 */
export interface Barrier {
  /** Random, 32 hex digits: the same for every copy of this store. */
  readonly storeId: string;
  /** As `Storage.transact`, of plaintext. */
  transact<T>(fn: (tx: SealedWriteTransaction) => Awaitable<T>): Promise<T>;
  /** As `Storage.read`, of plaintext. */
  read<T>(fn: (tx: SealedReadTransaction) => Awaitable<T>): Promise<T>;
  /** 32 bytes that stand for a name in storage keys. Outlasts password changes, rekeys, migration, restore. */
  nameIndex(identity: string): Buffer;
  /** 1 to 1024 bytes that are always the same for a purpose, a name and a length, and look drawn at random. */
  decoy(purpose: string, identity: string, length: number): Buffer;
  /**
   * Wraps the root key under another password; nothing is sealed anew. Cut anywhere, the old or the new one opens.
   * Someone who kept an old header still opens it, and with the root key all that follows, by the old password.
   * `also` runs in the same transaction, as it does below.
   * @throws PosternError `admin_password_wrong`; of the new one `password_too_short`, `password_too_long`,
   *   `secret_file_invalid`; `store_damaged`
   */
  changePassword(oldPassword: Uint8Array, newPassword: Uint8Array, also?: Also): Promise<void>;
  /** Adds the term that seals from now on, in every process, and gives its number. */
  addTerm(also?: Also): Promise<number>;
  /**
   * The same with another root key, so that the old header, and who had the root key by it, opens nothing that comes.
   * Every other barrier over this storage is of no use from then on: there must be none.
   * @throws PosternError `admin_password_wrong`, `store_damaged`
   */
  replaceRootKey(password: Uint8Array, also?: Also): Promise<number>;
  /** Which terms the keyring has. */
  terms(): Promise<Terms>;
  /** Re-seals a batch of what older terms sealed; again with its cursor, until there is none. */
  reseal(range: Bounds, options?: BatchOptions): Promise<ResealProgress>;
  countTerms(): Promise<TermCounts>;
  /**
   * Writes all of one snapshot, sealed as it is stored, while others go on (docs in `backup-format.ts`).
   * @throws PosternError `store_damaged` when a record does not open; what the target throws
   */
  backUp(target: BackupTarget): Promise<BackupTotals>;
  /**
   * Reads all that a migration moves, and says what it is (docs in `migration.ts`).
   * @throws PosternError `store_damaged` when a record does not open
   */
  survey(last: Buffer | undefined, onRecords?: (records: number) => void): Promise<Survey>;
  /** The store opens here no more. @throws what `unchanged` throws, and then it does */
  depart(departing: Departing): Promise<void>;
  /**
   * What has departed from here opens in another storage, which has all of it. `also` runs there, in that transaction.
   * @throws PosternError `store_unfinished`, `store_exists` when something else is on its way to there
   */
  arriveAt(target: Storage, also: Also): Promise<void>;
  /** Drops the older terms that seal nothing any more, and gives their numbers. */
  dropUnusedTerms(also?: Also): Promise<number[]>;
  /**
   * The root key once more, the caller's to wipe. It is for processes of the same server (`openBarrierByRootKey`), and
   * goes nowhere else: it opens all that the password opens, whatever the password is later.
   */
  copyRootKey(): SecureBuffer;
  /** Refuses new calls with `store_failed`, waits for those under way, and wipes every key. The storage stays open. */
  close(): Promise<void>;
}

/** What a caller puts into the transaction of a change of the keys. */
export type Also = (tx: SealedWriteTransaction) => Promise<void>;

export interface BarrierOptions {
  /** For tests: new headers cost this, and headers that cost no less are accepted though below the floor. */
  readonly stretch?: Stretch;
}

/**
 * Makes a store in an empty storage, in one transaction.
 * @throws PosternError `store_exists`; `store_damaged` when sealed records stand there without a header, `store_foreign`
 *   when anything else does; `password_too_short`, `password_too_long`, `secret_file_invalid`
 */
export async function createBarrier(
  storage: Storage,
  password: Uint8Array,
  { stretch = ADMIN_STRETCH }: BarrierOptions = {},
): Promise<Barrier> {
  await storage.read(refuseUnlessEmpty);
  return handingOver(drawRootKey(), async (rootKey) => {
    const header = await withSecret(chosenPassword(password), (secret) => wrapRootKey(rootKey, secret, stretch));
    const saved = await storage.transact(async (tx) => {
      await refuseUnlessEmpty(tx);
      await tx.put(HEADER_KEY, header);
      return putKeyring(tx, Keyring.create(), rootKey);
    });
    return new OpenBarrier(storage, new KeyringStore(rootKey, saved, floorOf(stretch)), stretch);
  });
}

/**
 * Whether a storage holds a store, as far as one can tell without the password. Writes nothing.
 * @throws PosternError `store_damaged`, `store_future`, `store_foreign`
 */
export async function inspectBarrier(
  storage: Storage,
  { stretch = ADMIN_STRETCH }: BarrierOptions = {},
): Promise<"empty" | "sealed"> {
  const header = await storage.read(findHeader);
  if (header === undefined) return "empty";
  parseHeader(header, floorOf(stretch));
  return "sealed";
}

/**
 * Opens a store. Writes nothing.
 * @throws PosternError `store_missing` when the storage is empty, `admin_password_wrong`, `store_damaged`,
 *   `store_future`, `store_foreign`
 */
export async function openBarrier(
  storage: Storage,
  password: Uint8Array,
  { stretch = ADMIN_STRETCH }: BarrierOptions = {},
): Promise<Barrier> {
  return openByKeys(storage, stretch, storedKeys, byPassword(password, stretch));
}

/**
 * Opens what has departed from a storage, for what is left of its migration.
 * @throws PosternError as `openBarrier`
 */
export async function openDepartedBarrier(
  storage: Storage,
  password: Uint8Array,
  { stretch = ADMIN_STRETCH }: BarrierOptions = {},
): Promise<Barrier> {
  const keysOf = async (tx: ReadTransaction) => (await findDeparture(tx)) ?? (await storedKeys(tx));
  return openByKeys(storage, stretch, keysOf, byPassword(password, stretch));
}

/**
 * The same by a root key that a process of this server has from another one: nothing is stretched. Takes over the key.
 * @throws PosternError `store_missing`; `store_damaged`, also for the root key of before `replaceRootKey`;
 *   `store_future`, `store_foreign`
 */
export async function openBarrierByRootKey(
  storage: Storage,
  rootKey: SecureBuffer,
  { stretch = ADMIN_STRETCH }: BarrierOptions = {},
): Promise<Barrier> {
  return handingOver(rootKey, (key) =>
    openByKeys(storage, stretch, storedKeys, async (header) => {
      parseHeader(header, floorOf(stretch));
      return key;
    }),
  );
}

type RootKeyOf = (header: Buffer) => Promise<SecureBuffer>;

const byPassword =
  (password: Uint8Array, stretch: Stretch): RootKeyOf =>
  (header) =>
    withSecret(offeredPassword(password), (secret) => unwrapRootKey(header, secret, floorOf(stretch)));

/** What opens a store, as it is stored: of one moment. */
interface StoredKeys {
  readonly header: Buffer;
  readonly keyring: Buffer | undefined;
}

async function storedKeys(tx: ReadTransaction): Promise<StoredKeys> {
  return { header: await getHeader(tx), keyring: await tx.get(KEYRING_KEY) };
}

async function openByKeys(
  storage: Storage,
  stretch: Stretch,
  keysOf: (tx: ReadTransaction) => Promise<StoredKeys>,
  rootKeyOf: RootKeyOf,
): Promise<Barrier> {
  const stored = await storage.read(keysOf);
  return handingOver(await rootKeyOf(stored.header), async (rootKey) => {
    const keyring = openKeyring(stored.keyring, rootKey);
    return new OpenBarrier(storage, new KeyringStore(rootKey, keyring, floorOf(stretch)), stretch);
  });
}

/**
 * Begins to read a backup: what it says of itself. `unsealBackup` opens it.
 * @throws PosternError `backup_foreign`, `backup_future`, `backup_damaged`
 */
export function findBackup(
  source: AsyncIterable<Uint8Array>,
  { stretch = ADMIN_STRETCH }: BarrierOptions = {},
): Promise<SealedBackup> {
  return readBackup(source, floorOf(stretch));
}

export interface RestoredBarrier {
  readonly barrier: Barrier;
  readonly totals: BackupTotals;
}

/**
 * Makes an empty storage the store that a backup is of. The backup's keys go with the barrier, or when it fails.
 * @throws PosternError `backup_damaged`, which names the place; `store_exists` and its kin
 */
export async function restoreBarrier(
  storage: Storage,
  backup: OpenBackup,
  { stretch = ADMIN_STRETCH, onBytes }: BarrierOptions & { readonly onBytes?: (bytes: number) => void } = {},
): Promise<RestoredBarrier> {
  try {
    const totals = await fillFromBackup(storage, backup, onBytes);
    return { barrier: new OpenBarrier(storage, backup.keyrings, stretch), totals };
  } catch (thrown) {
    backup.keyrings.wipe();
    throw thrown;
  } finally {
    backup.seals.wipe();
  }
}

class OpenBarrier implements Barrier {
  readonly storeId: string;
  readonly #storage: Storage;
  readonly #keyrings: KeyringStore;
  readonly #stretch: Stretch;
  readonly #underWay = new UnderWay();
  #closing: Promise<void> | undefined;

  constructor(storage: Storage, keyrings: KeyringStore, stretch: Stretch) {
    this.storeId = keyrings.remembered.storeId;
    this.#storage = storage;
    this.#keyrings = keyrings;
    this.#stretch = stretch;
  }

  transact<T>(fn: (tx: SealedWriteTransaction) => Awaitable<T>): Promise<T> {
    return this.#admit(async () => {
      // A run that a conflict ended is followed by another one, with a transaction of its own.
      let sealed: SealedWrites | undefined;
      const result = await this.#storage.transact((tx) => {
        sealed = new SealedWrites(tx, this.#keyrings);
        return fn(sealed);
      });
      sealed?.committed();
      return result;
    });
  }

  read<T>(fn: (tx: SealedReadTransaction) => Awaitable<T>): Promise<T> {
    return this.#admit(() => this.#storage.read((tx) => fn(new SealedReads(tx, this.#keyrings))));
  }

  nameIndex(identity: string): Buffer {
    this.#refuseClosed();
    return deriveNameIndex(this.#keyrings.remembered.nameIndexKey, identity);
  }

  decoy(purpose: string, identity: string, length: number): Buffer {
    this.#refuseClosed();
    return deriveDecoy(this.#keyrings.remembered.decoyKey, purpose, identity, length);
  }

  changePassword(oldPassword: Uint8Array, newPassword: Uint8Array, also?: Also): Promise<void> {
    const fixed = {
      stretch: this.#stretch,
      floor: this.#keyrings.floor,
      also: this.#sealing(also),
      isOurs: (key: SecureBuffer) => this.#keyrings.isRootKey(key),
    };
    return this.#admit(() =>
      withSecret(offeredPassword(oldPassword), (before) =>
        withSecret(chosenPassword(newPassword), (after) =>
          rewrapHeader(this.#storage, { ...fixed, oldPassword: before, newPassword: after }),
        ),
      ),
    );
  }

  addTerm(also?: Also): Promise<number> {
    return this.#admit(() => addTerm(this.#storage, this.#keyrings, this.#sealing(also)));
  }

  replaceRootKey(password: Uint8Array, also?: Also): Promise<number> {
    const fixed = { stretch: this.#stretch, also: this.#sealing(also) };
    return this.#admit(() =>
      withSecret(offeredPassword(password), (secret) =>
        replaceRootKey(this.#storage, this.#keyrings, { ...fixed, password: secret }),
      ),
    );
  }

  terms(): Promise<Terms> {
    return this.#admit(() => readTerms(this.#storage, this.#keyrings));
  }

  backUp(target: BackupTarget): Promise<BackupTotals> {
    return this.#admit(() => writeBackup(this.#storage, this.#keyrings, target));
  }

  survey(last: Buffer | undefined, onRecords?: (records: number) => void): Promise<Survey> {
    return this.#admit(() => survey(this.#storage, this.#keyrings, { last, onRecords }));
  }

  depart(departing: Departing): Promise<void> {
    return this.#admit(() => depart(this.#storage, this.#keyrings, departing));
  }

  arriveAt(target: Storage, also: Also): Promise<void> {
    return this.#admit(async () => {
      const departure = await this.#storage.read(findDeparture);
      if (departure === undefined) throw new PosternError("bug", { detail: "nothing has departed" });
      await arrive(target, departure, this.#sealing(also));
    });
  }

  reseal(range: Bounds, options: BatchOptions = {}): Promise<ResealProgress> {
    return this.#admit(() => reseal(this.#storage, this.#keyrings, range, options));
  }

  countTerms(): Promise<TermCounts> {
    return this.#admit(() => countTerms(this.#storage, this.#keyrings));
  }

  copyRootKey(): SecureBuffer {
    this.#refuseClosed();
    return this.#keyrings.copyRootKey();
  }

  dropUnusedTerms(also?: Also): Promise<number[]> {
    return this.#admit(() => dropUnusedTerms(this.#storage, this.#keyrings, this.#sealing(also)));
  }

  close(): Promise<void> {
    this.#closing ??= this.#underWay.ended().then(() => this.#keyrings.wipe());
    return this.#closing;
  }

  #sealing(also: Also | undefined): (tx: WriteTransaction) => Promise<void> {
    return async (tx) => also?.(new SealedWrites(tx, this.#keyrings));
  }

  async #admit<T>(call: () => Promise<T>): Promise<T> {
    this.#refuseClosed();
    return this.#underWay.during(call);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new PosternError("store_failed", { detail: "it is closed" });
  }
}

/** The floor for headers: a cheaper cost that a test injected, else that of the product. */
function floorOf({ memoryKiB, passes }: Stretch): Stretch {
  return {
    memoryKiB: Math.min(memoryKiB, ADMIN_STRETCH_FLOOR.memoryKiB),
    passes: Math.min(passes, ADMIN_STRETCH_FLOOR.passes),
  };
}
