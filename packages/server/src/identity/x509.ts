import { randomBytes, webcrypto } from "node:crypto";

/** The one kind of key that identities and leaves have; every TLS 1.3 library knows it (RFC 8446 9.1). */
export const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
export const SIGNING_ALGORITHM = { name: "ECDSA", hash: "SHA-256" } as const;

export const DAY_MS = 24 * 60 * 60 * 1000;
/** How far behind ours a client's clock may be and still find a certificate valid that was made this moment. */
export const CLOCK_SKEW_MS = DAY_MS;

/** Some 140 ms to import, and needed once in 60 days: so only when a certificate is really made. */
export async function loadX509() {
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}

/** Draws a serial number: positive, without a leading zero byte, 126 random bits in hex (RFC 5280 4.1.2.2). */
export function newSerialNumber(random: (size: number) => Buffer = randomBytes): string {
  const serial = Buffer.from(random(16));
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  return serial.toString("hex");
}

export function newKeyPair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
}

/** The private key in PKCS #8 DER. It is the caller's to seal and to wipe. */
export async function exportPrivateKey({ privateKey }: webcrypto.CryptoKeyPair): Promise<Buffer> {
  return Buffer.from(await webcrypto.subtle.exportKey("pkcs8", privateKey));
}
