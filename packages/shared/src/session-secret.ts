import { hash } from "node:crypto";
import type { AccountId, SessionId } from "./ids.js";

/**
 * What a client keeps of a session: `pss_`, the account's id, the session's id, `_`, 256 random bits; all in lower-case
 * hex. The server has the ids and the SHA-256 of the bits, the session key.
 */
export interface SessionSecret {
  readonly account: AccountId;
  readonly session: SessionId;
  /** 32 bytes. */
  readonly secret: Buffer;
}

export const SESSION_SECRET_BYTES = 32;

const idHex = (id: string) => id.slice(id.indexOf("_") + 1);

export function formatSessionSecret({ account, session, secret }: SessionSecret): string {
  return `pss_${idHex(account)}${idHex(session)}_${secret.toString("hex")}`;
}

export function parseSessionSecret(text: string): SessionSecret | undefined {
  const match = /^pss_([0-9a-f]{32})([0-9a-f]{32})_([0-9a-f]{64})$/.exec(text);
  if (match === null) return undefined;
  const [, account, session, secret = ""] = match;
  return { account: `acc_${account}`, session: `ses_${session}`, secret: Buffer.from(secret, "hex") };
}

/** SHA-256 of the 32 bytes: it keys the session's MACs. */
export function sessionKeyOf(secret: Uint8Array): Buffer {
  return hash("sha256", secret, "buffer");
}
