import { PosternError } from "@postern/shared/errors";
import { drawNonce, NONCE_BYTES, openInto, sealInto } from "./aead.js";
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

const NONCE_AT = 5;
const SEALED_AT = NONCE_AT + NONCE_BYTES;

export function sealEnvelope({ term, key }: SealingKey, place: Place, plaintext: Uint8Array): Buffer {
  const envelope = Buffer.allocUnsafe(ENVELOPE_OVERHEAD + plaintext.length);
  writeHead(envelope, 0, term);
  const nonce = drawNonce(envelope.subarray(NONCE_AT, SEALED_AT));
  sealInto(envelope.subarray(SEALED_AT), key, nonce, associated(place, term), plaintext);
  return envelope;
}

/** The term that a stored value says it was sealed in. It is a claim until the envelope opens. */
export function termOf(envelope: Buffer): number | undefined {
  return isEnvelope(envelope) ? envelope.readUInt32BE(1) : undefined;
}

/** The bytes that the plaintext of a stored value takes; undefined when it is no envelope. */
export function plaintextLength(envelope: Buffer): number | undefined {
  return isEnvelope(envelope) ? envelope.length - ENVELOPE_OVERHEAD : undefined;
}

/** The plaintext, or undefined when this key does not open it at this place. */
export function openEnvelope(sealing: SealingKey, place: Place, envelope: Buffer): Buffer | undefined {
  const length = plaintextLength(envelope);
  if (length === undefined) return undefined;
  // Memory of its own: what is behind secrets is not handed out again to who knows whom.
  const plaintext = Buffer.allocUnsafeSlow(length);
  return openEnvelopeInto(plaintext, sealing, place, envelope) ? plaintext : undefined;
}

/** As `openEnvelope`, into memory of the caller's choice, which is `plaintextLength` long. */
export function openEnvelopeInto(
  plaintext: Buffer,
  { term, key }: SealingKey,
  place: Place,
  envelope: Buffer,
): boolean {
  if (termOf(envelope) !== term) return false;
  const nonce = envelope.subarray(NONCE_AT, SEALED_AT);
  return openInto(plaintext, key, nonce, associated(place, term), envelope.subarray(SEALED_AT));
}

/** The one error of a value that does not open; it names the storage key, which tells nothing about a person. */
export function doesNotOpen({ domain, storageKey }: Place): PosternError {
  const key = Buffer.from(storageKey).toString("hex");
  return new PosternError("store_damaged", { detail: `the ${domain} at key ${key} does not open` });
}

function isEnvelope(value: Buffer): boolean {
  return value.length >= ENVELOPE_OVERHEAD && value[0] === ENVELOPE_FORMAT;
}

function writeHead(target: Buffer, at: number, term: number): void {
  target[at] = ENVELOPE_FORMAT;
  target.writeUInt32BE(term, at + 1);
}

const domains: Readonly<Record<Domain, Buffer>> = {
  "postern record": Buffer.from("postern record\0", "latin1"),
  "postern keyring": Buffer.from("postern keyring\0", "latin1"),
};

function associated({ domain, storageKey }: Place, term: number): Buffer {
  const name = domains[domain];
  const additional = Buffer.allocUnsafe(name.length + NONCE_AT + storageKey.length);
  additional.set(name);
  writeHead(additional, name.length, term);
  additional.set(storageKey, name.length + NONCE_AT);
  return additional;
}
