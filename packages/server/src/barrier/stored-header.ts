import { PosternError } from "@postern/shared/errors";
import type { ReadTransaction, Storage, WriteTransaction } from "../storage/storage.js";
import type { Stretch } from "./admin-password.js";
import { type KeyringStore, putKeyring } from "./keyring-store.js";
import { type Arrival, type Departure, findArrival, findDeparture, refusalOf } from "./migration-notes.js";
import { drawRootKey, unwrapRootKey, wrapRootKey } from "./root-key.js";
import { handingOver, type SecureBuffer, withSecret } from "./secure-buffer.js";
import { everything, HEADER_KEY, isRecordKey, KEYRING_KEY, PROBE_KEY } from "./storage-keys.js";

/**
 * Undefined when the storage is empty.
 * @throws PosternError `store_moved`, `store_unfinished`; `store_damaged`, `store_foreign` when only that is missing
 */
export async function findHeader(tx: ReadTransaction): Promise<Buffer | undefined> {
  const header = await tx.get(HEADER_KEY);
  const remains = header === undefined ? await whatRemains(tx) : undefined;
  if (remains !== undefined) throw remains;
  return header;
}

/** @throws PosternError `store_missing` when the storage is empty; `store_damaged`, `store_foreign` when it is not */
export async function getHeader(tx: ReadTransaction): Promise<Buffer> {
  const header = await findHeader(tx);
  if (header === undefined) throw new PosternError("store_missing");
  return header;
}

/** What a storage is to a migration: a store; where one went away from, or is on its way to; or empty. */
export type Standing =
  | { readonly is: "store"; readonly header: Buffer }
  | { readonly is: "departed"; readonly departure: Departure }
  | { readonly is: "arriving"; readonly arrival: Arrival }
  | { readonly is: "empty" };

/** @throws PosternError `store_damaged`, `store_foreign` when it is none of them */
export async function standingOf(tx: ReadTransaction): Promise<Standing> {
  const header = await tx.get(HEADER_KEY);
  if (header !== undefined) return { is: "store", header };
  const departure = await findDeparture(tx);
  if (departure !== undefined) return { is: "departed", departure };
  const arrival = await findArrival(tx);
  if (arrival !== undefined) return { is: "arriving", arrival };
  const remains = await whatRemains(tx);
  if (remains !== undefined) throw remains;
  return { is: "empty" };
}

/** @throws PosternError `store_exists`; `store_damaged`, `store_foreign` when there is something but no header */
export async function refuseUnlessEmpty(tx: ReadTransaction): Promise<void> {
  if ((await tx.get(HEADER_KEY)) !== undefined) throw new PosternError("store_exists");
  const remains = await whatRemains(tx);
  if (remains !== undefined) throw remains;
}

/**
 * Whether the storage can make a transaction durable. It needs no key, and leaves nothing.
 * @throws PosternError `store_failed`
 */
export async function probeStorage(storage: Storage): Promise<void> {
  await storage.transact(async (tx) => {
    await tx.put(PROBE_KEY, Buffer.of(1));
    await tx.delete(PROBE_KEY);
  });
}

export interface PasswordChange {
  readonly oldPassword: SecureBuffer;
  readonly newPassword: SecureBuffer;
  /** What the new header costs. */
  readonly stretch: Stretch;
  readonly floor: Stretch;
  /** Whether this is the root key that the change is meant for. */
  readonly isOurs: (rootKey: SecureBuffer) => boolean;
  /** What else belongs into the transaction. */
  readonly also: (tx: WriteTransaction) => Promise<void>;
}

/**
 * Replaces the header by one that wraps the same root key under the new password. Both passwords are stretched before
 * the transaction, which only awaits storage; so it makes sure that the header is still the one that was opened.
 * @throws PosternError `admin_password_wrong`, also when someone else changed it meanwhile; `store_damaged`
 */
export async function rewrapHeader(storage: Storage, change: PasswordChange): Promise<void> {
  const before = await storage.read(getHeader);
  const after = await withSecret(await unwrapRootKey(before, change.oldPassword, change.floor), (rootKey) => {
    refuseUnless(change.isOurs(rootKey));
    return wrapRootKey(rootKey, change.newPassword, change.stretch);
  });
  await storage.transact(async (tx) => {
    await refuseChanged(tx, before);
    await change.also(tx);
    await tx.put(HEADER_KEY, after);
  });
}

export interface RootKeyChange {
  readonly password: SecureBuffer;
  /** What the new header costs. */
  readonly stretch: Stretch;
  /** What else belongs into the transaction. It is sealed as everything was before. */
  readonly also: (tx: WriteTransaction) => Promise<void>;
}

/**
 * Draws a root key, and a term; in one transaction the header wraps that root key, under the same password, and it seals
 * the keyring. Gives the term's number. Whoever has the store open with the root key of before can read its keyring no
 * more: so nobody else may.
 * @throws PosternError `admin_password_wrong`, `store_damaged`
 */
export async function replaceRootKey(
  storage: Storage,
  keyrings: KeyringStore,
  { password, stretch, also }: RootKeyChange,
): Promise<number> {
  const before = await storage.read(getHeader);
  await withSecret(await unwrapRootKey(before, password, keyrings.floor), async (rootKey) =>
    refuseUnless(keyrings.isRootKey(rootKey)),
  );
  return handingOver(drawRootKey(), async (rootKey) => {
    const header = await wrapRootKey(rootKey, password, stretch);
    const saved = await storage.transact(async (tx) => {
      await refuseChanged(tx, before);
      await also(tx);
      const ring = (await keyrings.current(tx)).withNewTerm();
      await tx.put(HEADER_KEY, header);
      return putKeyring(tx, ring, rootKey);
    });
    keyrings.replaceRootKey(rootKey, saved);
    return saved.ring.active.term;
  });
}

async function refuseChanged(tx: ReadTransaction, before: Buffer): Promise<void> {
  const unchanged = before.equals(await getHeader(tx));
  if (!unchanged) throw new PosternError("admin_password_wrong", { detail: "it was changed at the same moment" });
}

function refuseUnless(isOurs: boolean): void {
  if (!isOurs) throw new PosternError("store_damaged", { detail: "its header is of another store" });
}

/**
 * What a storage without a header is, unless it is empty. A store that lost its header must not pass for a missing one:
 * a new one made in its place would let every name be registered again.
 */
async function whatRemains(tx: ReadTransaction): Promise<PosternError | undefined> {
  const migrating = await refusalOf(tx);
  if (migrating !== undefined) return migrating;
  const [first] = await tx.scan({ ...everything, limit: 1 });
  if (first === undefined) return undefined;
  const ours = isRecordKey(first.key) || first.key.equals(KEYRING_KEY);
  return ours
    ? new PosternError("store_damaged", { detail: "its header is missing" })
    : new PosternError("store_foreign");
}
