import { PosternError } from "@postern/shared/errors";
import { drawNonce, NONCE_BYTES, openInto, seal } from "./aead.js";
import type { SecureBuffer } from "./secure-buffer.js";

/**
 * What a sealed value looks like in storage:
 *
 * ```
 *  0   1  format
 *  1   4  term, big-endian: the number of the key; 0 is the root key
 *  5  24  nonce
 * 29   n  ciphertext, as long as the plaintext
 *     16  tag
 * ```
 *
 * Associated data = domain ‖ 0x00 ‖ format ‖ term ‖ storage key. So a value that is moved to another key, or taken for
 * something of another domain, does not open.
 */
export const ENVELOPE_FORMAT = 1;
export const ENVELOPE_OVERHEAD = 45;

/** What is sealed: it is part of the associated data, and so never changes. */
export type Domain = "postern record" | "postern keyring";

/** Which key seals: its number in the keyring, and itself. */
export interface SealingKey {
  readonly term: number;
  readonly key: SecureBuffer;
}

/** Where a value stands. */
export interface Place {
  readonly domain: Domain;
  readonly storageKey: Uint8Array;
}

interface Envelope {
  readonly head: Buffer;
  readonly term: number;
  readonly nonce: Buffer;
  readonly sealed: Buffer;
}

const HEAD_BYTES = 5;

export function sealEnvelope({ term, key }: SealingKey, place: Place, plaintext: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(ENVELOPE_FORMAT, 0);
  head.writeUInt32BE(term, 1);
  const nonce = drawNonce();
  return Buffer.concat([head, nonce, seal(key, nonce, associated(place, head), plaintext)]);
}

/** The term that a stored value says it was sealed in. It is a claim until the envelope opens. */
export function termOf(envelope: Buffer): number | undefined {
  return split(envelope)?.term;
}

/** The bytes that the plaintext of a stored value takes; undefined when it is no envelope. */
export function plaintextLength(envelope: Buffer): number | undefined {
  return split(envelope) && envelope.length - ENVELOPE_OVERHEAD;
}

/** The plaintext, or undefined when this key does not open it at this place. */
export function openEnvelope(sealing: SealingKey, place: Place, envelope: Buffer): Buffer | undefined {
  const length = plaintextLength(envelope);
  if (length === undefined) return undefined;
  const plaintext = Buffer.alloc(length);
  return openEnvelopeInto(plaintext, sealing, place, envelope) ? plaintext : undefined;
}

/** As `openEnvelope`, into memory of the caller's choice, which is `plaintextLength` long. */
export function openEnvelopeInto(plaintext: Buffer, sealing: SealingKey, place: Place, envelope: Buffer): boolean {
  const parts = split(envelope);
  if (parts === undefined || parts.term !== sealing.term) return false;
  return openInto(plaintext, sealing.key, parts.nonce, associated(place, parts.head), parts.sealed);
}

/** The one error of a value that does not open; it names the storage key, which tells nothing about a person. */
export function doesNotOpen({ domain, storageKey }: Place): PosternError {
  const key = Buffer.from(storageKey).toString("hex");
  return new PosternError("store_damaged", { detail: `the ${domain} at key ${key} does not open` });
}

function split(envelope: Buffer): Envelope | undefined {
  if (envelope.length < ENVELOPE_OVERHEAD || envelope[0] !== ENVELOPE_FORMAT) return undefined;
  const sealedAt = HEAD_BYTES + NONCE_BYTES;
  return {
    head: envelope.subarray(0, HEAD_BYTES),
    term: envelope.readUInt32BE(1),
    nonce: envelope.subarray(HEAD_BYTES, sealedAt),
    sealed: envelope.subarray(sealedAt),
  };
}

function associated({ domain, storageKey }: Place, head: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${domain}\0`, "latin1"), head, storageKey]);
}
