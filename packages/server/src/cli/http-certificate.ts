import { open } from "node:fs/promises";
import { PosternError } from "@postern/shared/errors";
import { type OwnCertificate, parseOwnCertificate } from "../identity/own-certificate.js";

export interface HttpCertificateOptions {
  readonly http: string;
  readonly httpCert?: string;
  readonly httpKey?: string;
}

/** Where the operator's own certificate stands, and its key: PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const MAX_BYTES = 1024 * 1024;
const READABLE_BY_ALL = 0o004;

/** @throws PosternError `usage` for one file without the other, or for both where there is no HTTPS port */
export function certificateFilesOf({ http, httpCert, httpKey }: HttpCertificateOptions): CertificateFiles | undefined {
  if (httpCert === undefined && httpKey === undefined) return undefined;
  if (httpCert === undefined || httpKey === undefined) {
    throw new PosternError("usage", { detail: "--http-cert and --http-key are given together" });
  }
  if (http === "off") throw new PosternError("usage", { detail: "--http-cert needs an HTTPS port, and --http is off" });
  return { cert: httpCert, key: httpKey };
}

/**
 * Reads both files. `warn` hears of a key that anybody on this machine can read; it is used nevertheless.
 * @throws PosternError `file_unreadable`, `http_certificate_invalid`
 */
export async function readHttpCertificate(
  files: CertificateFiles,
  { now, warn }: { readonly now: () => number; readonly warn: (text: string) => void },
): Promise<OwnCertificate> {
  const { text: cert } = await readText(files.cert);
  const { text: key, mode } = await readText(files.key);
  const own = parseOwnCertificate({ key, cert }, now());
  if ((mode & READABLE_BY_ALL) !== 0) warn(`everybody on this machine can read ${files.key}: chmod o-r`);
  return own;
}

async function readText(path: string): Promise<{ text: string; mode: number }> {
  try {
    const file = await open(path, "r");
    try {
      const { mode } = await file.stat();
      const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
      if (bytesRead === MAX_BYTES) throw new PosternError("file_unreadable", { detail: `${path}: it is too long` });
      const text = buffer.toString("utf8", 0, bytesRead);
      buffer.fill(0);
      return { text, mode };
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "failed";
    throw new PosternError("file_unreadable", { detail: `${path}: ${code}`, cause });
  }
}
