import { createPublicKey, verify } from "node:crypto";
import { parseStrictJson } from "@postern/shared/frames/strict-json";
import { idPattern, type KeyId } from "@postern/shared/ids";
import { z } from "zod";

/** A token as it was handed in: of the right form, and signed by whoever. */
export interface SignedToken {
  readonly kid: KeyId;
  readonly claims: Claims;
  /** What the signature is over. RFC 7515 section 5.1. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Characters: a token with the longest audience has fewer than 3,000. */
const LENGTH_MAX = 4096;

/** RFC 8032 section 5.1.6. */
const SIGNATURE_BYTES = 64;

/**
 * The header of every token that this server makes. One that says anything else was made by somebody else: another
 * algorithm or none, a key that it brings along, an extension to be understood (RFC 8725 section 3.1).
 */
const headerSchema = z.strictObject({
  alg: z.literal("EdDSA"),
  typ: z.literal("JWT"),
  kid: idPattern("key"),
});

/** Seconds since 1970. */
const seconds = z.number().int().nonnegative();

/** What decides whether a token is good. Who it speaks of, the store knows better. */
const claimsSchema = z.object({
  iss: z.string(),
  aud: z.string(),
  sub: idPattern("account"),
  sid: idPattern("session"),
  iat: seconds,
  exp: seconds,
});
export type Claims = z.infer<typeof claimsSchema>;

/** A text in the compact form of RFC 7515, taken apart; undefined for everything that no token of ours looks like. */
export function parseSignedToken(text: string): SignedToken | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  const parts = text.split(".");
  const [header, payload, signature] = parts.map(decodeBase64url);
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) return undefined;
  const head = parseJson(header, headerSchema);
  const claims = parseJson(payload, claimsSchema);
  if (head === undefined || claims === undefined || signature.length !== SIGNATURE_BYTES) return undefined;
  return { kid: head.kid, claims, signed: Buffer.from(text.slice(0, text.lastIndexOf("."))), signature };
}

/** Whether an Ed25519 key signed it: RFC 8037 section 3.1. `publicKey` has 32 bytes. */
export function isSignedBy({ signed, signature }: SignedToken, publicKey: Buffer): boolean {
  const jwk = { kty: "OKP", crv: "Ed25519", x: publicKey.toString("base64url") };
  return verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), signature);
}

/** Only what encoding the bytes gives again: else one token would have several texts. RFC 4648 section 3.5. */
function decodeBase64url(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, "base64url");
  return bytes.toString("base64url") === part ? bytes : undefined;
}

function parseJson<T>(bytes: Buffer, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(parseStrictJson(bytes)).data;
  } catch {
    return undefined;
  }
}
