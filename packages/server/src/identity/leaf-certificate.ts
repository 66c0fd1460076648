import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { isIP, isIPv6 } from "node:net";
import { PosternError } from "@postern/shared/errors";
import { parseHost } from "@postern/shared/server-address";
import { identityPublicKey, type ServerIdentity } from "./identity-key.js";
import {
  CLOCK_SKEW_MS,
  DAY_MS,
  exportPrivateKey,
  KEY_ALGORITHM,
  loadX509,
  newKeyPair,
  newSerialNumber,
  SIGNING_ALGORITHM,
} from "./x509.js";

/** A certificate that the wire port shows, with a key of its own: what is stolen with it is worth 90 days at most. */
export interface Leaf {
  /** ECDSA P-256, PKCS #8 DER: a secret. */
  readonly privateKeyPkcs8: Buffer;
  /** Signed by the identity key, X.509 DER. */
  readonly certificateDer: Buffer;
}

const VALID_MS = 90 * DAY_MS;
const RENEW_BEFORE_END_MS = 30 * DAY_MS;

/**
 * Makes a leaf for `hosts`: names and addresses as `ServerAddress.host` has them, one or more. Clients of Postern go
 * by the identity alone; the names are for browsers on the HTTPS port. Throws `address_invalid`.
 */
export async function issueLeaf(
  identity: ServerIdentity,
  options: { readonly hosts: readonly string[]; readonly now: number; readonly random?: (size: number) => Buffer },
): Promise<Leaf> {
  const hosts = canonicalHosts(options.hosts);
  if (hosts.length === 0) throw new PosternError("address_invalid");
  const x509 = await loadX509();
  const keys = await newKeyPair();
  const issuer = new x509.X509Certificate(identity.certificateDer);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerialNumber(options.random),
    subject: "CN=Postern",
    issuer: issuer.subjectName,
    notBefore: new Date(options.now - CLOCK_SKEW_MS),
    notAfter: new Date(options.now + VALID_MS),
    publicKey: keys.publicKey,
    signingKey: await signingKeyOf(identity),
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(hosts.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { privateKeyPkcs8: await exportPrivateKey(keys), certificateDer: Buffer.from(certificate.rawData) };
}

/** Fewer than 30 days left, not valid yet (our clock was set back), not for all these hosts, or not of this identity. */
export function leafNeedsRenewal(
  leaf: Leaf,
  expected: { readonly identity: ServerIdentity; readonly hosts: readonly string[]; readonly now: number },
): boolean {
  const certificate = new X509Certificate(leaf.certificateDer);
  const hosts = hostsOf(leaf);
  const wanted = canonicalHosts(expected.hosts);
  return (
    Date.parse(certificate.validTo) - expected.now < RENEW_BEFORE_END_MS ||
    expected.now < Date.parse(certificate.validFrom) ||
    !wanted.every((host) => hosts.includes(host)) ||
    !certificate.verify(identityPublicKey(expected.identity))
  );
}

/** Milliseconds since 1970. */
export function leafExpiresAt({ certificateDer }: Pick<Leaf, "certificateDer">): number {
  return Date.parse(new X509Certificate(certificateDer).validTo);
}

/**
 * What `node:tls` takes. The chain is sent whole, for clients pin the identity and so must see its certificate. The
 * key's text is a JavaScript string, which cannot be wiped; let go of it.
 */
export function tlsCredentials(identity: ServerIdentity, leaf: Leaf): { readonly key: string; readonly cert: string } {
  const key = createPrivateKey({ key: leaf.privateKeyPkcs8, format: "der", type: "pkcs8" });
  const chain = [leaf, identity].map(({ certificateDer }) => new X509Certificate(certificateDer).toString());
  return { key: key.export({ format: "pem", type: "pkcs8" }).toString(), cert: chain.join("") };
}

function signingKeyOf(identity: ServerIdentity): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey("pkcs8", identity.privateKeyPkcs8, KEY_ALGORITHM, false, ["sign"]);
}

/** Each host once, in its one spelling. */
function canonicalHosts(hosts: readonly string[]): string[] {
  return [...new Set(hosts.map((host) => parseHost(isIPv6(host) ? `[${host}]` : host)))];
}

/** The hosts that it is for. The names were canonical when they were signed, so none holds the separator. */
export function hostsOf({ certificateDer }: Pick<Leaf, "certificateDer">): string[] {
  const names = new X509Certificate(certificateDer).subjectAltName?.split(", ") ?? [];
  return canonicalHosts(names.map((name) => name.replace(/^(?:DNS|IP Address):/, "")));
}
