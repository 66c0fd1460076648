import { timingSafeEqual } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { formatToken, TOKEN_SECRET_BYTES, type TokenKind, tokenKey } from "@postern/shared/token";
import type { SealedReadTransaction } from "../barrier/barrier.js";
import { identityFingerprint } from "../identity/identity-key.js";
import { getServerIdentity } from "../records/server-identity.js";

declare const tokenHash: unique symbol;

/** SHA-256 of a token's secret, 32 bytes: what is kept of it. */
export type TokenHash = Buffer & { readonly [tokenHash]: true };

/** Of the secret as a client sent it, in hex. */
export function hashOfTyped(secretHex: string): TokenHash {
  const secret = Buffer.from(secretHex, "hex");
  const hash = tokenKey(secret) as TokenHash;
  secret.fill(0);
  return hash;
}

export function isHash(stored: Buffer, hash: TokenHash): boolean {
  return timingSafeEqual(stored, hash);
}

/**
 * Draws a token of this store's server: `text` is shown once, only `hash` is stored.
 * @throws PosternError `store_damaged`
 */
export async function drawToken(
  tx: SealedReadTransaction,
  kind: TokenKind,
  random: (size: number) => Buffer,
): Promise<{ text: string; hash: TokenHash }> {
  const identity = await getServerIdentity(tx);
  if (identity === undefined) throw new PosternError("store_damaged", { detail: "the server identity is missing" });
  const fingerprint = identityFingerprint({ certificateDer: identity.certificate });
  const secret = random(TOKEN_SECRET_BYTES);
  const drawn = { text: formatToken({ kind, fingerprint, secret }), hash: tokenKey(secret) as TokenHash };
  secret.fill(0);
  return drawn;
}
