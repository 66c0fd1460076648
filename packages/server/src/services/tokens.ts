import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { newId } from "@postern/shared/ids";
import { type JWK, SignJWT } from "jose";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { getSigningKeys, putSigningKeys, type SigningKeys } from "../records/signing-key.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { findLiveSession, type SessionName } from "./sessions.js";

/** Seconds a token is good for: so long a service that verifies offline may take a revoked session for live. */
export const TOKEN_LIFETIME = 300;

/** `aud` when the person names no other service. */
const DEFAULT_AUDIENCE = "postern";

/** Makes the first signing key, when the store is made. */
export async function createSigningKey(
  tx: SealedWriteTransaction,
  { now, random }: Pick<ServiceContext, "now" | "random">,
): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = {
    id: newId("key", random),
    privateKey: privateKey.export({ format: "der", type: "pkcs8" }),
    publicKey: Buffer.from(String(publicKey.export({ format: "jwk" }).x), "base64url"),
    createdAt: now(),
  };
  await putSigningKeys(tx, { keys: [key] });
}

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
    return { session, signing: await signingKey(tx) };
  });
  if (minted === undefined) throw new PosternError("session_invalid");
  const { session, signing } = minted;
  const issuedAt = Math.floor(context.now() / 1000);
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
export async function publicKeySet({ barrier }: Pick<ServiceContext, "barrier">): Promise<{ keys: JWK[] }> {
  const { keys } = await barrier.read(signingKeys);
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

async function signingKey(tx: SealedReadTransaction): Promise<SigningKeys["keys"][number]> {
  const [first] = (await signingKeys(tx)).keys;
  if (first === undefined) throw new PosternError("store_damaged", { detail: "there is no signing key" });
  return first;
}

async function signingKeys(tx: SealedReadTransaction): Promise<SigningKeys> {
  const keys = await getSigningKeys(tx);
  if (keys === undefined) throw new PosternError("store_damaged", { detail: "the signing keys are missing" });
  return keys;
}

function privateKeyOf(der: Buffer): KeyObject {
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}
