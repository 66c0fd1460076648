import { createRequire } from "node:module";

/** The part of sodium-native that Postern uses; the package brings no types. Lengths are in bytes. */
export interface Sodium {
  readonly crypto_aead_xchacha20poly1305_ietf_KEYBYTES: 32;
  readonly crypto_aead_xchacha20poly1305_ietf_NPUBBYTES: 24;
  readonly crypto_aead_xchacha20poly1305_ietf_ABYTES: 16;
  readonly crypto_pwhash_SALTBYTES: 16;
  readonly crypto_pwhash_ALG_ARGON2ID13: number;
  sodium_malloc(size: number): Buffer;
  sodium_memzero(buffer: Uint8Array): void;
  sodium_mlock(buffer: Uint8Array): void;
  sodium_mprotect_noaccess(buffer: Uint8Array): void;
  sodium_mprotect_readonly(buffer: Uint8Array): void;
  sodium_mprotect_readwrite(buffer: Uint8Array): void;
  randombytes_buf(buffer: Uint8Array): void;
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    ciphertext: Uint8Array,
    message: Uint8Array,
    additional: Uint8Array | null,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  /** Throws when the tag does not verify. */
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    message: Uint8Array,
    secretNonce: null,
    ciphertext: Uint8Array,
    additional: Uint8Array | null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  /** Keyed BLAKE2b; the output's length is 16 to 64, the key's likewise. */
  crypto_generichash(output: Uint8Array, input: Uint8Array, key?: Uint8Array): void;
  /** Argon2id off the event loop; `memory` in bytes, `passes` the iterations, one lane. */
  crypto_pwhash_async(
    output: Uint8Array,
    password: Uint8Array,
    salt: Uint8Array,
    passes: number,
    memory: number,
    algorithm: number,
  ): Promise<void>;
}

export const sodium: Sodium = createRequire(import.meta.url)("sodium-native");
