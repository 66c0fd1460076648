import { createPrivateKey, webcrypto } from "node:crypto";
import type { ServerIdentity } from "../../src/identity/identity-key.js";
import type { Leaf } from "../../src/identity/leaf-certificate.js";
import { DAY_MS, exportPrivateKey, KEY_ALGORITHM, loadX509, SIGNING_ALGORITHM } from "../../src/identity/x509.js";

/** Certificates that posternd would never make, for tests of who must refuse them. */
export interface Strangeness {
  readonly subject?: string;
  readonly issuer?: string;
  readonly ca?: boolean;
  /** Leaves the basic constraints out. */
  readonly withoutConstraints?: boolean;
  /** OIDs of the extended key usage; none leaves the extension out. */
  readonly usages?: readonly string[];
  readonly curve?: "P-256" | "P-384";
  /** The subject's key in PKCS #8, when it is not to be a fresh one. */
  readonly keyPkcs8?: Buffer;
  /** Who signs: an identity, a leaf, or (left out) the certificate's own key. */
  readonly signer?: ServerIdentity | Leaf;
  readonly now: number;
}

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

export async function strangeCertificate(how: Strangeness): Promise<Leaf & ServerIdentity> {
  const x509 = await loadX509();
  const algorithm = { ...KEY_ALGORITHM, namedCurve: how.curve ?? KEY_ALGORITHM.namedCurve };
  const keys = how.keyPkcs8
    ? await keyPairOf(how.keyPkcs8)
    : await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const signer = how.signer && new x509.X509Certificate(how.signer.certificateDer);
  const usages = how.usages ?? [SERVER_AUTH];
  const subject = how.subject ?? "CN=Postern";
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: "4001",
    subject,
    issuer: how.issuer ?? signer?.subjectName ?? subject,
    notBefore: new Date(how.now - DAY_MS),
    notAfter: new Date(how.now + DAY_MS),
    publicKey: keys.publicKey,
    signingKey: how.signer ? (await keyPairOf(how.signer.privateKeyPkcs8)).privateKey : keys.privateKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      ...(how.withoutConstraints ? [] : [new x509.BasicConstraintsExtension(how.ca ?? false, undefined, true)]),
      ...(usages.length > 0 ? [new x509.ExtendedKeyUsageExtension([...usages])] : []),
    ],
  });
  return { privateKeyPkcs8: await exportPrivateKey(keys), certificateDer: Buffer.from(certificate.rawData) };
}

async function keyPairOf(pkcs8: Buffer): Promise<webcrypto.CryptoKeyPair> {
  const jwk = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" }).export({ format: "jwk" });
  const { kty, crv, x, y } = jwk;
  const algorithm = { ...KEY_ALGORITHM, namedCurve: `${crv}` };
  const half = { kty, crv, x, y } as webcrypto.JsonWebKey;
  return {
    privateKey: await webcrypto.subtle.importKey("jwk", jwk as webcrypto.JsonWebKey, algorithm, true, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("jwk", half, algorithm, true, ["verify"]),
  };
}
