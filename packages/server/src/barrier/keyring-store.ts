import { PosternError } from "@postern/shared/errors";
import type { ReadTransaction, WriteTransaction } from "../storage/storage.js";
import type { Stretch } from "./admin-password.js";
import { deriveBackupKey } from "./derive.js";
import { doesNotOpen, openEnvelopeInto, type Place, plaintextLength, sealEnvelope } from "./envelope.js";
import { Keyring } from "./keyring.js";
import { refusalOf } from "./migration-notes.js";
import { SecureBuffer } from "./secure-buffer.js";
import { KEYRING_KEY } from "./storage-keys.js";

const PLACE: Place = { domain: "postern keyring", storageKey: KEYRING_KEY };

/** A keyring and the value that holds it in storage. */
export interface SealedKeyring {
  readonly ring: Keyring;
  readonly sealed: Buffer;
}

/**
 * The keyring as storage has it, remembered between transactions. Another process may replace the stored one at any
 * time, so what is remembered is good for reading only, and only for what it opens. Sealing asks `current` first,
 * inside of its own transaction: then no record is ever sealed in a term that an earlier rekey has ended, and a term
 * that nothing uses any more can be dropped.
 */
export class KeyringStore {
  #rootKey: SecureBuffer;
  #remembered: SealedKeyring;
  /** Below which no header of this store is accepted. */
  readonly floor: Stretch;

  /** Takes over the root key. */
  constructor(rootKey: SecureBuffer, saved: SealedKeyring, floor: Stretch) {
    this.#rootKey = rootKey;
    this.#remembered = saved;
    this.floor = floor;
  }

  /** What was last seen. */
  get remembered(): Keyring {
    return this.#remembered.ring;
  }

  /**
   * The keyring as this transaction sees it.
   * @throws PosternError `store_moved` where it has gone with the store; `store_damaged`
   */
  async current(tx: ReadTransaction): Promise<Keyring> {
    return (await this.currentSealed(tx)).ring;
  }

  /** The same, with the value that holds it. @throws PosternError as `current` */
  async currentSealed(tx: ReadTransaction): Promise<SealedKeyring> {
    const stored = tx.get(KEYRING_KEY);
    const sealed = stored instanceof Promise ? await stored : stored;
    const gone = sealed === undefined ? await refusalOf(tx) : undefined;
    if (gone !== undefined) throw gone;
    if (sealed === undefined || !sealed.equals(this.#remembered.sealed)) {
      this.#remembered = openKeyring(sealed, this.#rootKey);
    }
    return this.#remembered;
  }

  /** Puts an edited keyring; it becomes the remembered one by `remember`, once the transaction has committed. */
  save(tx: WriteTransaction, ring: Keyring): Promise<SealedKeyring> {
    return putKeyring(tx, ring, this.#rootKey);
  }

  remember(saved: SealedKeyring): void {
    this.#remembered = saved;
  }

  /** Another root key, and the keyring that it has sealed. Takes over the key. */
  replaceRootKey(rootKey: SecureBuffer, saved: SealedKeyring): void {
    this.#rootKey.wipe();
    this.#rootKey = rootKey;
    this.#remembered = saved;
  }

  /** What seals one backup. */
  backupKey(storeId: string, salt: Uint8Array): SecureBuffer {
    return deriveBackupKey(this.#rootKey, storeId, salt);
  }

  copyRootKey(): SecureBuffer {
    return this.#rootKey.use((bytes) => SecureBuffer.copyOf(bytes, "noaccess"));
  }

  isRootKey(other: SecureBuffer): boolean {
    return this.#rootKey.equals(other);
  }

  wipe(): void {
    this.#rootKey.wipe();
    this.#remembered.ring.wipe();
  }
}

export async function putKeyring(tx: WriteTransaction, ring: Keyring, rootKey: SecureBuffer): Promise<SealedKeyring> {
  const plaintext = ring.encode();
  try {
    const sealed = plaintext.use((bytes) => sealEnvelope({ term: 0, key: rootKey }, PLACE, bytes));
    await tx.put(KEYRING_KEY, sealed);
    return { ring, sealed };
  } finally {
    plaintext.wipe();
  }
}

/** @throws PosternError `store_damaged` when it is missing or does not open */
export function openKeyring(sealed: Buffer | undefined, rootKey: SecureBuffer): SealedKeyring {
  if (sealed === undefined) throw new PosternError("store_damaged", { detail: "its keyring is missing" });
  const length = plaintextLength(sealed);
  if (length === undefined) throw doesNotOpen(PLACE);
  const plaintext = SecureBuffer.fill(length, "noaccess", (bytes) => {
    if (!openEnvelopeInto(bytes, { term: 0, key: rootKey }, PLACE, sealed)) throw doesNotOpen(PLACE);
  });
  try {
    return { ring: plaintext.use((bytes) => Keyring.decode(bytes)), sealed };
  } finally {
    plaintext.wipe();
  }
}
