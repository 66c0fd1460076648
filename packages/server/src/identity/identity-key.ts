import { type KeyObject, X509Certificate } from "node:crypto";
import { type Fingerprint, fingerprintOf } from "@postern/shared/fingerprint";
import { CLOCK_SKEW_MS, exportPrivateKey, loadX509, newKeyPair, newSerialNumber, SIGNING_ALGORITHM } from "./x509.js";

/**
 * What clients pin: a key that signs the server's leaf certificates and nothing else that could be taken for one.
 * Its certificate carries the key to clients and says that it may sign; it says nothing about names.
 */
export interface ServerIdentity {
  /** ECDSA P-256, PKCS #8 DER: a secret. Whoever has it is this server to all who pinned it. */
  readonly privateKeyPkcs8: Buffer;
  /** Self-signed, X.509 DER. */
  readonly certificateDer: Buffer;
}

const VALID_YEARS = 30;

/**
 * Makes a new identity. `now` is in milliseconds since 1970, as everywhere here. `random` draws the serial
 * number only: the key is from the system's generator.
 */
export async function createIdentity(options: {
  readonly now: number;
  readonly random?: (size: number) => Buffer;
}): Promise<ServerIdentity> {
  const x509 = await loadX509();
  const keys = await newKeyPair();
  const notAfter = new Date(options.now);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerialNumber(options.random),
    name: "CN=Postern identity",
    notBefore: new Date(options.now - CLOCK_SKEW_MS),
    notAfter,
    keys,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { privateKeyPkcs8: await exportPrivateKey(keys), certificateDer: Buffer.from(certificate.rawData) };
}

/** What of an identity is no secret. */
type Public = Pick<ServerIdentity, "certificateDer">;

export function identityPublicKey({ certificateDer }: Public): KeyObject {
  return new X509Certificate(certificateDer).publicKey;
}

/** SubjectPublicKeyInfo, DER. */
export function identitySpki(identity: Public): Buffer {
  return identityPublicKey(identity).export({ type: "spki", format: "der" });
}

/** The fingerprint that the operator sees at the start, and that invites carry. */
export function identityFingerprint(identity: Public): Fingerprint {
  return fingerprintOf(identitySpki(identity));
}

/** When it was made, to the second. */
export function identityCreatedAt({ certificateDer }: Public): number {
  return Date.parse(new X509Certificate(certificateDer).validFrom) + CLOCK_SKEW_MS;
}
