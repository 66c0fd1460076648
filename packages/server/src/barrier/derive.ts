import { PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";
import { KEY_BYTES } from "./aead.js";
import { concatKey } from "./key.js";
import { SecureBuffer } from "./secure-buffer.js";

/**
 * What is derived from the keys that no rekey changes. These formulas are part of every store: salts and storage keys
 * made by them stand for the life of an account.
 */

const BLOCK_BYTES = 64;
export const MAX_DECOY_BYTES = 1024;

/** BLAKE2b-256(name-index key; "postern name index" ‖ identity), each part encoded as in a key: 32 bytes. */
export function deriveNameIndex(key: SecureBuffer, identity: string): Buffer {
  return keyedHash(key, 32, concatKey("postern name index", identity));
}

/**
 * The first `length` bytes of T(0) ‖ T(1) ‖ …, where
 * T(i) = BLAKE2b-512(decoy key; "postern decoy" ‖ purpose ‖ length ‖ identity ‖ i), each part encoded as in a key.
 * The length is hashed too, so that no output is a part of another.
 * @throws PosternError `bug` for a length that is not 1 to 1024
 */
export function deriveDecoy(key: SecureBuffer, purpose: string, identity: string, length: number): Buffer {
  if (!Number.isInteger(length) || length < 1 || length > MAX_DECOY_BYTES) {
    throw new PosternError("bug", { detail: `a decoy of ${length} bytes` });
  }
  const blocks = Array.from({ length: Math.ceil(length / BLOCK_BYTES) }, (_, i) =>
    keyedHash(key, BLOCK_BYTES, concatKey("postern decoy", purpose, length, identity, i)),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

/**
 * BLAKE2b-256(root key; "postern backup" ‖ store id ‖ salt), each part encoded as in a key: it seals one backup, and only
 * who can open the store of that day has it.
 */
export function deriveBackupKey(rootKey: SecureBuffer, storeId: string, salt: Uint8Array): SecureBuffer {
  const input = concatKey("postern backup", Buffer.from(storeId, "hex"), salt);
  return SecureBuffer.fill(KEY_BYTES, "readonly", (key) =>
    rootKey.use((bytes) => sodium.crypto_generichash(key, input, bytes)),
  );
}

function keyedHash(key: SecureBuffer, size: number, input: Uint8Array): Buffer {
  const hash = Buffer.alloc(size);
  key.use((bytes) => sodium.crypto_generichash(hash, input, bytes));
  return hash;
}
