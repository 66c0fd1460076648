import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { PosternError } from "@postern/shared/errors";
import { DAY_MS } from "./x509.js";

/** The operator's own certificate for the HTTPS port, as their authority has made it. */
export interface OwnCertificate {
  /** PEM. The key is a secret. */
  readonly key: string;
  /** PEM: the certificate, and behind it its chain. */
  readonly cert: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

const WARN_BEFORE_END_MS = 14 * DAY_MS;

/**
 * Finds out what is wrong with them before anything is served by them. `now` in milliseconds since 1970.
 * @throws PosternError `http_certificate_invalid`, saying which of the two, and why
 */
export function parseOwnCertificate(pem: { readonly key: string; readonly cert: string }, now: number): OwnCertificate {
  const [certificate] = certificatesIn(pem.cert);
  if (certificate === undefined) throw invalid("the certificate's file has none in PEM");
  const key = privateKeyIn(pem.key);
  if (!certificate.checkPrivateKey(key)) {
    throw invalid("the key is not that of the first certificate in the certificate's file");
  }
  const expiresAt = Date.parse(certificate.validTo);
  // Stated so that a date that cannot be read is refused.
  if (!(now <= expiresAt)) throw invalid(`the certificate has expired, on ${dayOf(expiresAt)}`);
  const begins = Date.parse(certificate.validFrom);
  if (!(begins <= now)) throw invalid(`the certificate is not valid before ${dayOf(begins)}`);
  return usable({ ...pem, expiresAt });
}

/** What an operator should be told of its end, when that is near; undefined before. */
export function expiryNotice({ expiresAt }: OwnCertificate, now: number): string | undefined {
  if (expiresAt - now > WARN_BEFORE_END_MS) return undefined;
  if (expiresAt < now) return `the HTTPS port's certificate has expired, on ${dayOf(expiresAt)}`;
  return `the HTTPS port's certificate expires on ${dayOf(expiresAt)}`;
}

function certificatesIn(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw invalid(`certificate ${index + 1} in the certificate's file cannot be read`, cause);
    }
  });
}

function privateKeyIn(text: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw invalid("the key is encrypted; it must be stored without a passphrase");
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw invalid("the key's file has none in PEM");
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw invalid("the key cannot be read", cause);
  }
}

/** What TLS itself refuses: a key that is too short, a kind that it does not know. */
function usable(certificate: OwnCertificate): OwnCertificate {
  try {
    createSecureContext({ key: certificate.key, cert: certificate.cert, minVersion: "TLSv1.2" });
    return certificate;
  } catch (cause) {
    throw invalid("TLS takes no key or certificate of that kind or size", cause);
  }
}

function dayOf(time: number): string {
  return Number.isNaN(time) ? "a day that cannot be read" : new Date(time).toISOString().slice(0, 10);
}

function invalid(detail: string, cause?: unknown): PosternError {
  return new PosternError("http_certificate_invalid", { detail, cause });
}
