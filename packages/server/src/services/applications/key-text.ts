import { createHash, timingSafeEqual } from "node:crypto";
import { type ApiKeyId, isId } from "@postern/shared/ids";

/**
 * What an application shows: the key's id, `_`, and 32 random bytes in base64url, 79 characters.
 *
 *     "pk_" | 32 hex digits | "_" | base64url(secret 32)
 *
 * The server keeps SHA-256 of the secret. No salt and no stretching: nobody searches 256 bits.
 */
export interface KeyText {
  readonly id: ApiKeyId;
  readonly hash: Buffer;
}

const SECRET_BYTES = 32;

/** Draws the secret of a key: the text is shown once, only the hash is stored. */
export function drawKeyText(id: ApiKeyId, random: (size: number) => Buffer): KeyText & { readonly text: string } {
  const secret = random(SECRET_BYTES);
  const drawn = { id, hash: hashOf(secret), text: `${id}_${secret.toString("base64url")}` };
  secret.fill(0);
  return drawn;
}

/** Undefined for anything but the one form: the two bits that base64url leaves over in the last character are zero. */
export function parseKeyText(text: string): KeyText | undefined {
  const [, id = "", encoded = ""] = /^(pk_[0-9a-f]{32})_([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/.exec(text) ?? [];
  if (!isId("apiKey", id)) return undefined;
  const secret = Buffer.from(encoded, "base64url");
  const hash = hashOf(secret);
  secret.fill(0);
  return { id, hash };
}

export function isSameHash(stored: Buffer, shown: Buffer): boolean {
  return timingSafeEqual(stored, shown);
}

function hashOf(secret: Uint8Array): Buffer {
  return createHash("sha256").update(secret).digest();
}
