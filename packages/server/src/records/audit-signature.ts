import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";

/**
 * What the audit key signs, and how its halves are written. Ed25519 (RFC 8032). It signs anchors and checkpoints and
 * nothing else; each text begins with the name of its form, so that one can never be taken for the other.
 */

/** `ed25519:` and the 32 bytes of the public key in base64url (RFC 4648 section 5, without padding). */
export type AuditPublicKey = `ed25519:${string}`;

export function formatPublicKey(raw: Uint8Array): AuditPublicKey {
  return `ed25519:${Buffer.from(raw).toString("base64url")}`;
}

/** The key that a text writes, or undefined where it is none in its only form. */
export function parsePublicKey(text: string): AuditPublicKey | undefined {
  const raw = Buffer.from(/^ed25519:([\w-]{43})$/.exec(text)?.[1] ?? "", "base64url");
  const key = formatPublicKey(raw);
  return raw.length === 32 && key === text ? key : undefined;
}

export function newKeyPair(): { privateKey: Buffer; publicKey: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    privateKey: privateKey.export({ format: "der", type: "pkcs8" }),
    publicKey: Buffer.from(String(publicKey.export({ format: "jwk" }).x), "base64url"),
  };
}

/** The signature of a text's UTF-8, 64 bytes in base64url. `privateKey` is PKCS #8, DER. */
export function signText(privateKey: Buffer, text: string): string {
  const key = createPrivateKey({ key: privateKey, format: "der", type: "pkcs8" });
  return sign(null, Buffer.from(text, "utf8"), key).toString("base64url");
}

/** A signature that is not in its only form is none: two texts of it would be two signatures. */
export function isSignedBy(key: AuditPublicKey, text: string, signature: string): boolean {
  const bytes = Buffer.from(signature, "base64url");
  if (bytes.length !== 64 || bytes.toString("base64url") !== signature) return false;
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.slice("ed25519:".length) };
  return verify(null, Buffer.from(text, "utf8"), createPublicKey({ key: jwk, format: "jwk" }), bytes);
}
