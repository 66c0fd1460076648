import { PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";
import { KEY_BYTES } from "./aead.js";
import type { SealingKey } from "./envelope.js";
import { SecureBuffer } from "./secure-buffer.js";

/**
 * The keys of a store: the terms that seal its records, the newest of which seals what is written from now on, and two
 * keys that belong to no term, since what they made must outlast a rekey: the name-index key and the decoy key.
 *
 * A keyring never changes. An edit gives a new one, so when saving that fails the old one is still live. Both share
 * the keys they have in common, so only the last one is wiped by hand; the others' keys sodium zeroes when it frees them.
 *
 * ```
 *  0   1  format
 *  1  16  store id
 * 17  32  name-index key
 * 49  32  decoy key
 * 81      one or more terms, strictly ascending: number (4 bytes, big-endian, from 1), key (32 bytes)
 * ```
 */
export class Keyring {
  readonly storeId: string;
  /** All keys rest `readonly`: every request uses them. */
  readonly nameIndexKey: SecureBuffer;
  readonly decoyKey: SecureBuffer;
  /** The newest term: it seals. */
  readonly active: SealingKey;
  readonly #terms: ReadonlyMap<number, SealingKey>;

  private constructor({ storeId, nameIndexKey, decoyKey }: Lasting, ascending: readonly SealingKey[]) {
    const newest = ascending.at(-1);
    if (newest === undefined) throw new PosternError("bug", { detail: "a keyring without a term" });
    this.storeId = storeId;
    this.nameIndexKey = nameIndexKey;
    this.decoyKey = decoyKey;
    this.active = newest;
    this.#terms = new Map(ascending.map((sealing) => [sealing.term, sealing]));
  }

  /** The keyring of a new store: a fresh id, fresh keys, term 1. */
  static create(): Keyring {
    const id = Buffer.alloc(ID_BYTES);
    sodium.randombytes_buf(id);
    const lasting = { storeId: id.toString("hex"), nameIndexKey: drawKey(), decoyKey: drawKey() };
    return new Keyring(lasting, [{ term: 1, key: drawKey() }]);
  }

  /** @throws PosternError `store_damaged` for anything that `encode` would not have written */
  static decode(bytes: Buffer): Keyring {
    const termBytes = bytes.length - TERMS_AT;
    if (bytes[0] !== FORMAT || termBytes <= 0 || termBytes % TERM_BYTES !== 0) throw malformed();
    const terms: SealingKey[] = [];
    let last = 0;
    for (let at = TERMS_AT; at < bytes.length; at += TERM_BYTES) {
      const term = bytes.readUInt32BE(at);
      if (term <= last) throw malformed();
      terms.push({ term, key: keyAt(bytes, at + 4) });
      last = term;
    }
    const storeId = bytes.toString("hex", 1, NAME_INDEX_AT);
    return new Keyring({ storeId, nameIndexKey: keyAt(bytes, NAME_INDEX_AT), decoyKey: keyAt(bytes, DECOY_AT) }, terms);
  }

  encode(): SecureBuffer {
    return SecureBuffer.fill(TERMS_AT + this.#terms.size * TERM_BYTES, "noaccess", (bytes) => {
      bytes.writeUInt8(FORMAT, 0);
      bytes.write(this.storeId, 1, "hex");
      this.nameIndexKey.use((key) => bytes.set(key, NAME_INDEX_AT));
      this.decoyKey.use((key) => bytes.set(key, DECOY_AT));
      let at = TERMS_AT;
      for (const { term, key: secret } of this.#terms.values()) {
        bytes.writeUInt32BE(term, at);
        secret.use((key) => bytes.set(key, at + 4));
        at += TERM_BYTES;
      }
    });
  }

  /** The numbers of all terms, ascending. */
  get terms(): number[] {
    return [...this.#terms.keys()];
  }

  key(term: number): SealingKey | undefined {
    return this.#terms.get(term);
  }

  withNewTerm(): Keyring {
    return new Keyring(this, [...this.#terms.values(), { term: this.active.term + 1, key: drawKey() }]);
  }

  /** Without these terms; the active one is not let go. */
  withoutTerms(dropped: ReadonlySet<number>): Keyring {
    const kept = [...this.#terms.values()].filter(({ term }) => term === this.active.term || !dropped.has(term));
    return new Keyring(this, kept);
  }

  wipe(): void {
    for (const key of [this.nameIndexKey, this.decoyKey]) key.wipe();
    for (const { key } of this.#terms.values()) key.wipe();
  }
}

/** What no rekey changes. */
type Lasting = Pick<Keyring, "storeId" | "nameIndexKey" | "decoyKey">;

const FORMAT = 1;
const ID_BYTES = 16;
const NAME_INDEX_AT = 1 + ID_BYTES;
const DECOY_AT = NAME_INDEX_AT + KEY_BYTES;
const TERMS_AT = DECOY_AT + KEY_BYTES;
const TERM_BYTES = 4 + KEY_BYTES;

function drawKey(): SecureBuffer {
  return SecureBuffer.random(KEY_BYTES, "readonly");
}

function keyAt(bytes: Buffer, at: number): SecureBuffer {
  return SecureBuffer.copyOf(bytes.subarray(at, at + KEY_BYTES), "readonly");
}

function malformed(): PosternError {
  return new PosternError("store_damaged", { detail: "its keyring does not have its form" });
}
