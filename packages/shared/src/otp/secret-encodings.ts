import { PosternError } from "../errors.js";
import type { Range } from "./parameters.js";
import { decodeSecret, encodeSecret, secretLimits } from "./secret.js";

/** How secrets are written down: base32 in otpauth URIs, hex in the RFCs and with hardware tokens, base64 in seed files. */
export const secretEncodings = ["base32", "hex", "base64"] as const;
export type SecretEncoding = (typeof secretEncodings)[number];

export function encodeSecretAs(secret: Uint8Array, encoding: SecretEncoding): string {
  return encoding === "base32" ? encodeSecret(secret) : bufferOf(secret).toString(encoding);
}

/**
 * Reads a secret as it is written down. Hex may be in either case, with spaces, colons and dashes between its digits;
 * base64 is that of RFC 4648 section 4, padding optional; base32 is read by `decodeSecret`.
 * @throws `otp_invalid`. The secret is the caller's to wipe.
 */
export function decodeSecretAs(text: string, encoding: SecretEncoding, limits: Range = secretLimits): Buffer {
  if (encoding === "base32") return decodeSecret(text, limits);
  const typed = encoding === "hex" ? text.replaceAll(/[ :-]/g, "").toLowerCase() : text;
  // Longer than any secret: not decoded at all.
  if (typed.length > 2 * limits.most) throw new PosternError("otp_invalid");
  const secret = Buffer.from(typed, encoding);
  // The decoder stops at what it cannot read, so only what is written back the same was read.
  const written = secret.toString(encoding);
  const same = written === typed || (encoding === "base64" && written.replace(/=+$/, "") === typed);
  if (same && secret.length >= limits.least && secret.length <= limits.most) return secret;
  secret.fill(0);
  throw new PosternError("otp_invalid");
}

function bufferOf(secret: Uint8Array): Buffer {
  return Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength);
}
