import { createHash } from "node:crypto";
import { PosternError } from "./errors.js";
import { digestOf, type Fingerprint, fingerprintOfDigest } from "./fingerprint.js";

/**
 * What an operator hands to a person: an invite, or a reset token. It carries the identity of the server that it is for,
 * so that a first contact by it is an authenticated one; at most the secret ever goes to that server.
 *
 *     "ptk_" | base64url(format 1 | kind 1 | fingerprint 32 | secret 16 | checksum 4)
 *
 * 76 characters, a line of a terminal. The checksum finds what was mistyped or cut off before anything is sent.
 */
export interface Token {
  readonly kind: TokenKind;
  readonly fingerprint: Fingerprint;
  /** 16 bytes: whoever has them can use the token. */
  readonly secret: Buffer;
}

/** What tokens are for, with their bytes. */
const kinds = { invite: 1, "password-reset": 2, "factor-reset": 3 } as const;
export type TokenKind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as TokenKind[];

export const TOKEN_SECRET_BYTES = 16;
export const TOKEN_PREFIX = "ptk_";

const FORMAT = 1;
const DIGEST_BYTES = 32;
const CHECKSUM_BYTES = 4;
const BODY_BYTES = 2 + DIGEST_BYTES + TOKEN_SECRET_BYTES;

/** More than a token that a mail program broke into lines; longer texts are none. */
const MAX_TEXT_LENGTH = 1024;

export function formatToken({ kind, fingerprint, secret }: Token): string {
  const body = Buffer.concat([Buffer.of(FORMAT, kinds[kind]), digestOf(fingerprint), secret]);
  const bytes = Buffer.concat([body, checksum(body)]);
  const text = `${TOKEN_PREFIX}${bytes.toString("base64url")}`;
  body.fill(0);
  bytes.fill(0);
  return text;
}

/**
 * Reads a token as it was pasted: white space around it and line ends within it count for nothing.
 * @throws PosternError `token_malformed`
 */
export function parseToken(text: string): Token {
  const bare = text.length > MAX_TEXT_LENGTH ? "" : text.replaceAll(/[ \t\r\n]/g, "");
  const [, encoded] = /^ptk_([A-Za-z0-9_-]{72})$/.exec(bare) ?? [];
  if (encoded === undefined) throw new PosternError("token_malformed");
  const bytes = Buffer.from(encoded, "base64url");
  try {
    return tokenOf(bytes);
  } finally {
    bytes.fill(0);
  }
}

function tokenOf(bytes: Buffer): Token {
  const body = bytes.subarray(0, BODY_BYTES);
  const kind = kindNames.find((name) => kinds[name] === body[1]);
  if (body[0] !== FORMAT || kind === undefined || !checksum(body).equals(bytes.subarray(BODY_BYTES))) {
    throw new PosternError("token_malformed");
  }
  const fingerprint = fingerprintOfDigest(body.subarray(2, 2 + DIGEST_BYTES));
  return { kind, fingerprint, secret: Buffer.from(body.subarray(2 + DIGEST_BYTES)) };
}

/**
 * SHA-256(secret), 32 bytes: what a server keeps of a token, and what a reset MAC is keyed with. No salt and no
 * stretching: nobody searches 128 bits.
 */
export function tokenKey(secret: Uint8Array): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** checksum = first 4 bytes of SHA-256("postern/1 token" 0x00 | body): against slips, not against anybody. */
function checksum(body: Uint8Array): Buffer {
  return createHash("sha256").update("postern/1 token\0").update(body).digest().subarray(0, CHECKSUM_BYTES);
}
