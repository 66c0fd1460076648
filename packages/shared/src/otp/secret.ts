import { randomBytes } from "node:crypto";
import { Secret } from "otpauth";
import { PosternError } from "../errors.js";
import type { Range } from "./parameters.js";

/**
 * What is accepted from elsewhere, in bytes. RFC 4226 (R6) asks for 16 and more, and so does `newSecret`; the 80 bits that
 * many sites hand out are read all the same, since a code for them must still be computed.
 */
export const secretLimits = { least: 10, most: 128 } as const;

export const LEAST_NEW_BYTES = 16;
/** Generous for separators and padding: 128 bytes are 205 characters. */
const MAX_TEXT_LENGTH = 512;

/** Draws a secret of `bytes` random bytes; `otpAlgorithms` says how many. `random` stands in for the system's generator. */
export function newSecret(bytes: number, random: (size: number) => Buffer = randomBytes): Buffer {
  if (bytes < LEAST_NEW_BYTES) throw new PosternError("bug", { detail: "a new secret needs 128 bits (RFC 4226 R6)" });
  return random(bytes);
}

/** Base32 of RFC 4648 section 6, upper case, without padding. */
export function encodeSecret(secret: Uint8Array): string {
  return withKey(secret, (key) => key.base32);
}

/**
 * Reads base32 as people type it: either case, spaces and dashes dropped, padding optional. Throws `otp_invalid` for any
 * other character, for a wrong length or padding, and for left-over bits that are not zero, so that no two spellings
 * beyond these name one secret.
 */
export function decodeSecret(text: string, limits: Range = secretLimits): Buffer {
  if (text.length > MAX_TEXT_LENGTH) throw new PosternError("otp_invalid");
  const typed = text.replaceAll(/[ -]/g, "");
  const [, digits = "", padding = ""] = /^([A-Za-z2-7]*)(=*)$/.exec(typed) ?? [];
  if (padding !== "" && (typed.length % 8 !== 0 || padding.length > 6)) throw new PosternError("otp_invalid");
  const { bytes } = Secret.fromBase32(digits);
  const secret = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (secret.length < limits.least || secret.length > limits.most) throw new PosternError("otp_invalid");
  if (encodeSecret(secret) !== digits.toUpperCase()) throw new PosternError("otp_invalid");
  return secret;
}

/** Lends `secret` to the otpauth package as its own copy, wiped afterwards: the package keeps what it is given. */
export function withKey<T>(secret: Uint8Array, use: (key: Secret) => T): T {
  const key = new Secret({ buffer: Uint8Array.from(secret).buffer });
  try {
    return use(key);
  } finally {
    key.bytes.fill(0);
  }
}
