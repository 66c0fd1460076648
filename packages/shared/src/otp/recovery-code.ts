import { createHash, randomBytes } from "node:crypto";

declare const recoveryCode: unique symbol;

/** A recovery code in its canonical form: 25 characters of the alphabet, 125 bits. The only form that is hashed. */
export type RecoveryCode = string & { readonly [recoveryCode]: true };

export const RECOVERY_CODES = 10;

/** Crockford's base32: i, l, o and u are left out, being read as something else. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH = 25;
const GROUP = 5;
const MAX_TEXT_LENGTH = 64;

/** What people type for a character that the alphabet leaves out. */
const folded: Readonly<Record<string, string>> = { i: "1", l: "1", o: "0", u: "v" };

/** Draws the ten codes of a person. `random` stands in for the system's generator. */
export function newRecoveryCodes(random: (size: number) => Buffer = randomBytes): RecoveryCode[] {
  return Array.from({ length: RECOVERY_CODES }, () => newRecoveryCode(random));
}

/** Five bits of each random byte choose one of 32 characters, without bias. */
function newRecoveryCode(random: (size: number) => Buffer): RecoveryCode {
  return Array.from(random(LENGTH), (byte) => ALPHABET.charAt(byte & 31)).join("") as RecoveryCode;
}

/** As it is shown: `abcde-fghjk-mnpqr-stvwx-yz012`. */
export function formatRecoveryCode(code: RecoveryCode): string {
  return (code.match(new RegExp(`.{${GROUP}}`, "g")) ?? []).join("-");
}

/**
 * Reads a code as people type it: either case, spaces and dashes anywhere or nowhere, i and l for 1, o for 0, u for v.
 * Undefined for anything else, and for a value that is not a string.
 */
export function parseRecoveryCode(value: unknown): RecoveryCode | undefined {
  if (typeof value !== "string" || value.length > MAX_TEXT_LENGTH) return undefined;
  const typed = value.replaceAll(/[ -]/g, "");
  if (typed.length !== LENGTH || !/^[0-9A-Za-z]+$/.test(typed)) return undefined;
  return typed.toLowerCase().replaceAll(/[ilou]/g, (letter) => folded[letter] ?? letter) as RecoveryCode;
}

/**
 * SHA-256 of the 25 canonical characters in ASCII, 32 bytes: what is kept of a code. No salt and no stretching: nobody
 * searches 125 bits. Compare with `timingSafeEqual`.
 */
export function hashRecoveryCode(code: RecoveryCode): Buffer {
  return createHash("sha256").update(code, "latin1").digest();
}
