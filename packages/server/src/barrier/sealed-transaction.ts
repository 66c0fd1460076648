import type { Entry, ReadTransaction, WriteTransaction } from "../storage/storage.js";
import { doesNotOpen, openEnvelope, type Place, sealEnvelope, termOf } from "./envelope.js";
import type { Keyring } from "./keyring.js";
import type { KeyringStore } from "./keyring-store.js";
import { callersKey, recordKey, recordRange, type SealedRange } from "./storage-keys.js";

/**
 * A transaction of plaintext: `Storage`'s promises hold for it, and what comes out is what was put under that very key,
 * or an error. Keys are 1 to 511 bytes.
 */
export interface SealedReadTransaction {
  /** @throws PosternError `store_damaged` when what stands there does not open */
  get(key: Uint8Array): Promise<Buffer | undefined>;
  /**
   * The entries of a range in the order of their keys (or against it), at most `limit`.
   * @throws PosternError `store_damaged` when any of them does not open
   */
  scan(range: SealedRange): Promise<Entry[]>;
  /** The keys alone of a range: what stands under them is not opened. */
  keys(range: SealedRange): Promise<Buffer[]>;
}

export interface SealedWriteTransaction extends SealedReadTransaction {
  put(key: Uint8Array, plaintext: Uint8Array): Promise<void>;
  /** Deleting what is not there is not an error. */
  delete(key: Uint8Array): Promise<void>;
  /** Has `act` done once this is durable, and never otherwise: to count, not to decide. It must not throw. */
  afterCommit(act: () => void): void;
}

export class SealedReads implements SealedReadTransaction {
  readonly #tx: ReadTransaction;
  readonly #keyrings: KeyringStore;

  constructor(tx: ReadTransaction, keyrings: KeyringStore) {
    this.#tx = tx;
    this.#keyrings = keyrings;
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    const storageKey = recordKey(key);
    const stored = this.#tx.get(storageKey);
    const value = stored instanceof Promise ? await stored : stored;
    if (value === undefined) return undefined;
    const entry = { key: storageKey, value };
    return openRemembered(this.#keyrings, entry) ?? (await openByStored(this.#tx, this.#keyrings, entry));
  }

  async scan(range: SealedRange): Promise<Entry[]> {
    const scanned = this.#tx.scan(recordRange(range));
    const entries: Entry[] = [];
    for (const entry of scanned instanceof Promise ? await scanned : scanned) {
      const value = openRemembered(this.#keyrings, entry) ?? (await openByStored(this.#tx, this.#keyrings, entry));
      entries.push({ key: callersKey(entry.key), value });
    }
    return entries;
  }

  async keys(range: SealedRange): Promise<Buffer[]> {
    return (await this.#tx.scan(recordRange(range))).map(({ key }) => callersKey(key));
  }
}

export class SealedWrites extends SealedReads implements SealedWriteTransaction {
  readonly #tx: WriteTransaction;
  readonly #keyrings: KeyringStore;
  readonly #afterCommit: (() => void)[] = [];
  /** What seals in this transaction: the stored keyring, which nobody else changes before its end. */
  #ring: Keyring | undefined;

  constructor(tx: WriteTransaction, keyrings: KeyringStore) {
    super(tx, keyrings);
    this.#tx = tx;
    this.#keyrings = keyrings;
  }

  afterCommit(act: () => void): void {
    this.#afterCommit.push(act);
  }

  /** The storage has made it durable. */
  committed(): void {
    for (const act of this.#afterCommit) act();
  }

  async put(key: Uint8Array, plaintext: Uint8Array): Promise<void> {
    const storageKey = recordKey(key);
    this.#ring ??= await this.#keyrings.current(this.#tx);
    const done = this.#tx.put(storageKey, sealEnvelope(this.#ring.active, placeOf(storageKey), plaintext));
    if (done instanceof Promise) await done;
  }

  async delete(key: Uint8Array): Promise<void> {
    const done = this.#tx.delete(recordKey(key));
    if (done instanceof Promise) await done;
  }
}

/**
 * The plaintext of a stored record. When the remembered keyring does not open it, the record may be of a term that
 * another process added, so the stored keyring is asked, in the same transaction, before the record is called damaged.
 * @throws PosternError `store_damaged`
 */
export async function openRecord(tx: ReadTransaction, keyrings: KeyringStore, entry: Entry): Promise<Buffer> {
  return openRemembered(keyrings, entry) ?? (await openByStored(tx, keyrings, entry));
}

function openRemembered(keyrings: KeyringStore, entry: Entry): Buffer | undefined {
  return openWithRing(keyrings.remembered, entry);
}

/** What the remembered keyring does not open. */
async function openByStored(tx: ReadTransaction, keyrings: KeyringStore, entry: Entry): Promise<Buffer> {
  const remembered = keyrings.remembered;
  const stored = await keyrings.current(tx);
  const plaintext = stored === remembered ? undefined : openWithRing(stored, entry);
  if (plaintext === undefined) throw doesNotOpen(placeOf(entry.key));
  return plaintext;
}

export function placeOf(storageKey: Uint8Array): Place {
  return { domain: "postern record", storageKey };
}

/** The plaintext of a stored record by these keys, or undefined. */
export function openWithRing(ring: Keyring, { key, value }: Entry): Buffer | undefined {
  const term = termOf(value);
  const sealing = term === undefined ? undefined : ring.key(term);
  return sealing && openEnvelope(sealing, placeOf(key), value);
}
