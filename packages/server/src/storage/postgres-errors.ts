import { type ErrorCode, PosternError } from "@postern/shared/errors";

/** What a failure of the database is to Postern. By its codes alone: its texts may show what is stored. */

/** SQLSTATEs after which the same transaction may well succeed (PostgreSQL 18, appendix A; section 13.5). */
const conflicts = new Set(["40001", "40P01"]);

/** The session is gone, or the server is on its way down or up. */
const gone = new Set(["08000", "08001", "08003", "08004", "08006", "57P01", "57P02", "57P03", "57P05", "53300"]);

/** This process took too long inside of a transaction, and lost the session. */
const stalled = new Set(["25P03", "25P04"]);

const said: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  "28P01": ["store_denied", "the password is not right, or there is no such user"],
  "28000": ["store_denied", "its pg_hba.conf does not let this user in from here"],
  "3D000": ["store_denied", "there is no such database"],
  "42501": ["store_denied", "this user lacks a right there"],
  "25006": ["store_failed", "the database takes no writes: it may be a standby"],
  "53100": ["store_failed", "the database's disk is full"],
  "53200": ["store_failed", "the database is out of memory"],
  "55P03": ["busy", "another node did not let go of its turn"],
  "57014": ["store_failed", "a statement took too long"],
};

const unreachable = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENOENT",
  "EACCES",
]);

/** Node's and OpenSSL's codes of a certificate that is not accepted. */
const untrusted = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/;

export const isConflict = (thrown: unknown): boolean => conflicts.has(codeOf(thrown) ?? "");
export const isStalled = (thrown: unknown): boolean => stalled.has(codeOf(thrown) ?? "");

/** A failure in a transaction, or in front of it. */
export function storeError(thrown: unknown): PosternError {
  if (thrown instanceof PosternError) return thrown;
  const code = codeOf(thrown);
  const known = code === undefined ? undefined : said[code];
  if (known !== undefined) return new PosternError(known[0], { detail: known[1], cause: thrown });
  if (code === undefined) return new PosternError("store_unreachable", { detail: "no answer", cause: thrown });
  if (untrusted.test(code)) return new PosternError("store_untrusted", { detail: code, cause: thrown });
  if (gone.has(code) || unreachable.has(code) || stalled.has(code)) {
    return new PosternError("store_unreachable", { detail: code, cause: thrown });
  }
  return new PosternError("store_failed", { detail: `the database says ${code}`, cause: thrown });
}

/** What a question to the database throws, as what it is to Postern. */
export async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (thrown) {
    throw storeError(thrown);
  }
}

/** A SQLSTATE, or a code of Node's. Undefined for what `pg` says of a connection that broke off or took too long. */
export function codeOf(thrown: unknown): string | undefined {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" && /^[A-Z0-9_]+$/.test(code) ? code : undefined;
}
