import { createPrivateKey, type KeyObject } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { JWK } from "jose";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { publishedOf, signerOf, TOKEN_LIFETIME } from "./key-schedule.js";
import { findLiveSession, type SessionName } from "./live-session.js";
import { readSigningKeys, settleSigningKeys } from "./signing-keys.js";

export { TOKEN_LIFETIME };

/** `aud` when the person names no other service. */
export const DEFAULT_AUDIENCE = "postern";

/**
 * A JWT (RFC 7519, EdDSA) that another service verifies with this server's JWKS: iss, aud, sub (an opaque id that is
 * never reused), sid, iat, exp, amr (RFC 8176), auth_time, preferred_username. Minting is audited, durably, first.
 * @throws PosternError `session_invalid`
 */
export async function mintToken(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  audience: string = DEFAULT_AUDIENCE,
): Promise<{ token: string; expiresIn: number }> {
  const minted = await context.barrier.transact(async (tx) => {
    const session = await findLiveSession(context, tx, known);
    if (session === undefined) return undefined;
    await audit(context, tx, peer, { ...aboutSession(session), event: "session.token", outcome: "granted" });
    // The same moment chooses the key and dates the token.
    const now = context.now();
    return { session, now, signing: signerOf(await settleSigningKeys(tx, now)) };
  });
  if (minted === undefined) throw new PosternError("session_invalid");
  const { session, now, signing } = minted;
  const issuedAt = Math.floor(now / 1000);
  // Loaded with the first token: a server starts sooner without it.
  const { SignJWT } = await import("jose");
  const token = await new SignJWT({
    sid: session.id,
    amr: session.amr,
    auth_time: Math.floor(session.authenticatedAt / 1000),
    preferred_username: session.identity,
  })
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: signing.id })
    .setIssuer(context.issuer())
    .setAudience(audience)
    .setSubject(session.account)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + TOKEN_LIFETIME)
    .sign(privateKeyOf(signing.privateKey));
  return { token, expiresIn: TOKEN_LIFETIME };
}

/** The public halves, for `/.well-known/jwks.json`. RFC 7517, RFC 8037. */
export async function publicKeySet(context: Pick<ServiceContext, "barrier" | "now">): Promise<{ keys: JWK[] }> {
  const keys = publishedOf(await readSigningKeys(context));
  return {
    keys: keys.map(({ id, publicKey }) => ({
      kty: "OKP",
      crv: "Ed25519",
      x: publicKey.toString("base64url"),
      alg: "EdDSA",
      use: "sig",
      kid: id,
    })),
  };
}

function privateKeyOf(der: Buffer): KeyObject {
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}
