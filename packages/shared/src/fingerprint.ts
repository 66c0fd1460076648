import { createHash, timingSafeEqual } from "node:crypto";
import { PosternError } from "./errors.js";

/** Names a server's identity key: `SHA256:` and 43 characters of base64 without padding, as SSH shows its keys. */
export type Fingerprint = `SHA256:${string}`;

const PREFIX = "SHA256:";
const DIGEST_BYTES = 32;

/** fingerprint = "SHA256:" | base64(SHA-256(SubjectPublicKeyInfo)); the key in DER as in RFC 5280 4.1. */
export function fingerprintOf(spkiDer: Buffer): Fingerprint {
  return encode(createHash("sha256").update(spkiDer).digest());
}

/**
 * Reads what a person typed, a file keeps or an invite carries. Exactly one spelling of each fingerprint is taken:
 * alphabet, length, and the last character's two unused bits zero. Throws `fingerprint_invalid`.
 */
export function parseFingerprint(text: string): Fingerprint {
  const digest = text.startsWith(PREFIX) ? Buffer.from(text.slice(PREFIX.length), "base64") : Buffer.alloc(0);
  if (digest.length !== DIGEST_BYTES || encode(digest) !== text) throw new PosternError("fingerprint_invalid");
  return encode(digest);
}

/** The 32 bytes that a fingerprint spells. */
export function digestOf(fingerprint: Fingerprint): Buffer {
  return Buffer.from(fingerprint.slice(PREFIX.length), "base64");
}

/** How 32 bytes of SHA-256 are spelt. */
export function fingerprintOfDigest(digest: Uint8Array): Fingerprint {
  return encode(Buffer.from(digest));
}

/** Compares in constant time, so that nobody has to argue whether a pin is a secret. */
export function sameFingerprint(one: Fingerprint, other: Fingerprint): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function encode(digest: Buffer): Fingerprint {
  return `${PREFIX}${digest.toString("base64").replace("=", "")}`;
}
