import { createHmac } from "node:crypto";
import { HOTP } from "otpauth";
import { type Code, equalCodes } from "./code.js";
import { HOTP_LOOK_AHEAD, HOTP_RESYNC_RANGE, type HotpParameters } from "./parameters.js";
import { withKey } from "./secret.js";

/**
 * `HOTP(K, C) = Truncate(HMAC(K, C)) mod 10^digits`, C as 8 bytes, most significant first (RFC 4226 section 5.3; other
 * hashes than SHA-1 by RFC 6238 section 1.2).
 */
export function hotpCode(secret: Uint8Array, counter: number, params: HotpParameters): Code {
  return hotpCodes(secret, { from: counter, to: counter }, params)[0] as Code;
}

/** `HOTP(K, C)` for every counter of the range, both ends included. */
export function hotpCodes(secret: Uint8Array, range: { from: number; to: number }, params: HotpParameters): Code[] {
  const { algorithm, digits } = params;
  return withKey(secret, (key) => {
    const codes: Code[] = [];
    for (let counter = range.from; counter <= range.to; counter += 1) {
      codes.push(HOTP.generate({ secret: key, counter, algorithm, digits, hmac }) as Code);
    }
    return codes;
  });
}

/** As the package's own, which however leaves a copy of the key in the buffer pool. */
export function hmac(algorithm: string, key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac(algorithm, key).update(message).digest();
}

export interface HotpTry {
  readonly secret: Uint8Array;
  /** The counter that is expected next: codes before it are used. */
  readonly counter: number;
  readonly params: HotpParameters;
}

/** The counter to keep: the one behind the last code that was accepted. It only ever grows. */
export interface HotpMatch {
  readonly nextCounter: number;
}

/**
 * Looks for `code` at `counter` to `counter + lookAhead`, both included (RFC 4226 section 7.4); undefined when it is at none.
 * Every candidate is computed and compared in constant time, match or not. Should a code stand there twice, the later
 * counter counts, so that it cannot be used again.
 */
export function matchHotp(attempt: HotpTry & { code: Code; lookAhead?: number }): HotpMatch | undefined {
  const { secret, counter, params, code, lookAhead = HOTP_LOOK_AHEAD } = attempt;
  let match: HotpMatch | undefined;
  hotpCodes(secret, { from: counter, to: counter + lookAhead }, params).forEach((candidate, ahead) => {
    if (equalCodes(candidate, code)) match = { nextCounter: counter + ahead + 1 };
  });
  return match;
}

/**
 * Finds a device that has run ahead by two codes in a row, the first at `counter` to `counter + range` (RFC 4226 section
 * 7.4). Both are used by it. Works as `matchHotp` does.
 */
export function resyncHotp(attempt: HotpTry & { codes: readonly [Code, Code]; range?: number }): HotpMatch | undefined {
  const { secret, counter, params, codes, range = HOTP_RESYNC_RANGE } = attempt;
  let match: HotpMatch | undefined;
  let firstWasHere = false;
  hotpCodes(secret, { from: counter, to: counter + range + 1 }, params).forEach((candidate, ahead) => {
    const secondIsHere = equalCodes(candidate, codes[1]);
    if (firstWasHere && secondIsHere) match = { nextCounter: counter + ahead + 1 };
    firstWasHere = equalCodes(candidate, codes[0]);
  });
  return match;
}
