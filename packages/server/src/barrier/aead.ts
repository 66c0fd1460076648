import { PosternError } from "@postern/shared/errors";
import { fillRandom } from "@postern/shared/random";
import { sodium } from "@postern/shared/sodium";
import type { SecureBuffer } from "./secure-buffer.js";

/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): nonces are long enough to be drawn at random for ever. */
export const KEY_BYTES = 32;
export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;

/** A nonce is drawn for every seal, also when a transaction runs again: it is never kept or counted. */
export function drawNonce(nonce = Buffer.alloc(NONCE_BYTES)): Buffer {
  fillRandom(nonce);
  return nonce;
}

/**
 * ciphertext ‖ tag = AEAD-Encrypt(key, nonce, plaintext, additional): 16 bytes longer than the plaintext.
 * @throws PosternError `bug` for a key that is not 32 bytes or a nonce that is not 24
 */
export function seal(key: SecureBuffer, nonce: Uint8Array, additional: Uint8Array, plaintext: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(plaintext.length + TAG_BYTES);
  sealInto(sealed, key, nonce, additional, plaintext);
  return sealed;
}

/**
 * The same into `sealed`, which is 16 bytes longer than the plaintext.
 * @throws PosternError `bug` also for a `sealed` of another length
 */
export function sealInto(
  sealed: Buffer,
  key: SecureBuffer,
  nonce: Uint8Array,
  additional: Uint8Array,
  plaintext: Uint8Array,
): void {
  checkLengths(key, nonce);
  if (sealed.length !== plaintext.length + TAG_BYTES) {
    throw new PosternError("bug", { detail: "room for a ciphertext of another length" });
  }
  key.use((bytes) => {
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, plaintext, additional, null, nonce, bytes);
  });
}

/**
 * Writes the plaintext of ciphertext ‖ tag into `plaintext`, which is 16 bytes shorter. False, and nothing but zeros
 * written, when the tag does not verify.
 * @throws PosternError `bug` for a key that is not 32 bytes, a nonce that is not 24, or a `plaintext` of another length
 */
export function openInto(
  plaintext: Buffer,
  key: SecureBuffer,
  nonce: Uint8Array,
  additional: Uint8Array,
  sealed: Uint8Array,
): boolean {
  checkLengths(key, nonce);
  if (plaintext.length !== sealed.length - TAG_BYTES) {
    throw new PosternError("bug", { detail: "room for a plaintext of another length" });
  }
  return key.use((bytes) => {
    try {
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plaintext, null, sealed, additional, nonce, bytes);
      return true;
    } catch {
      plaintext.fill(0);
      return false;
    }
  });
}

function checkLengths(key: SecureBuffer, nonce: Uint8Array): void {
  if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES) {
    throw new PosternError("bug", { detail: "a key or nonce of another length" });
  }
}
