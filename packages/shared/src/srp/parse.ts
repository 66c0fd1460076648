import { type ErrorCode, PosternError } from "../errors.js";
import { type Group, inRange } from "./group.js";
import { postern } from "./suite.js";

/**
 * The edge of SRP: fixed-width lower-case hex on the wire, bytes of a known length and range behind it. Nothing else
 * reaches the arithmetic: no sign, no upper case, no missing or additional digit, no value that would be reduced.
 */

declare const parsed: unique symbol;
type Parsed<Kind extends string> = Buffer & { readonly [parsed]: Kind };

/** A or B: 256 bytes, 1 < value < N-1. */
export type PublicValue = Parsed<"public value">;
/** v: 256 bytes, 1 < v < N-1. */
export type Verifier = Parsed<"verifier">;
/** M1 or M2: 32 bytes. */
export type Proof = Parsed<"proof">;
/** s: 32 bytes. */
export type Salt = Parsed<"salt">;

export const SALT_BYTES = 32;
export const PROOF_BYTES = 32;

const { group } = postern;

/** @throws PosternError `ephemeral_invalid`, or what a client says of its server's B. RFC 5054 2.5.3, 2.5.4. */
export function parsePublicValue(hex: unknown, refusal: ErrorCode = "ephemeral_invalid"): PublicValue {
  return parseElement(group, hex, refusal) as PublicValue;
}

/** @throws PosternError `verifier_invalid` */
export function parseVerifier(hex: unknown, refusal: ErrorCode = "verifier_invalid"): Verifier {
  return parseElement(group, hex, refusal) as Verifier;
}

/** A verifier that was kept as bytes. @throws PosternError `verifier_invalid` */
export function toVerifier(bytes: Buffer): Verifier {
  if (!inRange(group, bytes)) throw new PosternError("verifier_invalid");
  return bytes as Verifier;
}

/** @throws PosternError `bad_request`, or what a client says of its server's M2. */
export function parseProof(hex: unknown, refusal: ErrorCode = "bad_request"): Proof {
  return parseBytes(hex, PROOF_BYTES, refusal) as Proof;
}

/** @throws PosternError `server_failed`: salts come from the server only. */
export function parseSalt(hex: unknown, refusal: ErrorCode = "server_failed"): Salt {
  return parseBytes(hex, SALT_BYTES, refusal) as Salt;
}

function parseElement(group: Group, hex: unknown, refusal: ErrorCode): Buffer {
  const element = parseBytes(hex, group.bytes, refusal);
  if (!inRange(group, element)) throw new PosternError(refusal);
  return element;
}

function parseBytes(hex: unknown, size: number, refusal: ErrorCode): Buffer {
  if (typeof hex !== "string" || hex.length !== size * 2 || !/^[0-9a-f]*$/.test(hex)) throw new PosternError(refusal);
  return Buffer.from(hex, "hex");
}
