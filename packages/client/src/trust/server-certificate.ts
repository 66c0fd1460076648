import type { KeyObject, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { PosternError } from "@postern/shared/errors";
import { type Fingerprint, fingerprintOf } from "@postern/shared/fingerprint";

/** id-kp-serverAuth, RFC 5280 4.2.1.12. */
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/**
 * Which identity the server at the other end of a finished handshake has proved to be. The handshake itself has
 * proved that the peer holds the leaf's private key; this proves that the identity key has signed that leaf. Whether
 * it is the identity that was expected is for `decideTrust`. `now` in milliseconds since 1970.
 * Throws `server_certificate_invalid`.
 *
 * Ask once per socket: Node hands the chain out and keeps nothing, so that a second call is refused.
 */
export function identityOf(socket: TLSSocket, now: number): Fingerprint {
  try {
    return identityOfChain(sentCertificates(socket), now);
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw new PosternError("server_certificate_invalid", { detail: "it cannot be read", cause: error });
  }
}

/**
 * The same for the certificates as they were sent: exactly the leaf and the identity's certificate. An attacker can
 * send the true identity's certificate, which is public, behind a leaf of their own: the signature tells.
 */
function identityOfChain(sent: readonly X509Certificate[], now: number): Fingerprint {
  const [leaf, identity, ...more] = sent;
  if (leaf === undefined || identity === undefined || more.length > 0) {
    throw invalid("the server must send two certificates, its leaf and its identity");
  }
  checkIdentity(identity);
  checkLeaf(leaf, identity);
  checkDates(leaf, now);
  return fingerprintOf(spki(identity.publicKey));
}

/**
 * Its dates are not looked at: what is trusted is the key, for as long as it is pinned; the certificate only carries
 * it here and says that it may sign.
 */
function checkIdentity(identity: X509Certificate): void {
  const key = identity.publicKey;
  if (!isP256(key)) throw invalid("the identity has not the kind of key that posternd makes");
  if (!identity.ca || !identity.checkIssued(identity) || !identity.verify(key)) {
    throw invalid("the second certificate is not an identity's");
  }
}

/**
 * `checkIssued` compares names, which all identities share, and allowed uses; `verify` is what proves. A leaf that
 * signs further leaves, or one made of the identity key itself, would bring the identity key into daily use.
 */
function checkLeaf(leaf: X509Certificate, identity: X509Certificate): void {
  const { publicKey } = identity;
  if (!leaf.checkIssued(identity) || !leaf.verify(publicKey)) throw invalid("it is not signed by the identity");
  if (!isP256(leaf.publicKey) || spki(leaf.publicKey).equals(spki(publicKey)) || leaf.ca) {
    throw invalid("it is not a leaf with a key of its own");
  }
  // Undefined, whatever its type says, for a certificate without the extension.
  const uses: readonly string[] | undefined = leaf.keyUsage;
  if (!uses?.includes(SERVER_AUTH)) throw invalid("it is not a server's");
}

function checkDates(leaf: X509Certificate, now: number): void {
  // Stated so that a date that cannot be read, which compares false with everything, is refused.
  if (!(Date.parse(leaf.validFrom) <= now)) throw invalid("it is not valid yet; check the clock of this machine");
  if (!(now <= Date.parse(leaf.validTo))) throw invalid("it has expired; check the clock of this machine");
}

/**
 * `issuerCertificate` is just the next certificate as sent: Node links them without looking at names or signatures,
 * unrelated ones too. Three are enough to see that there are too many.
 */
function sentCertificates(socket: TLSSocket): X509Certificate[] {
  const sent: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && sent.length < 3) {
    sent.push(next);
    next = next.issuerCertificate;
  }
  return sent;
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

function invalid(detail: string): PosternError {
  return new PosternError("server_certificate_invalid", { detail });
}
