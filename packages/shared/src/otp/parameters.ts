/** The hash functions of RFC 6238, and the secret's length in bytes for each: that of the hash (RFC 6238 appendix B). */
export const otpAlgorithms = {
  SHA1: { secretBytes: 20 },
  SHA256: { secretBytes: 32 },
  SHA512: { secretBytes: 64 },
} as const;

export type OtpAlgorithm = keyof typeof otpAlgorithms;

export interface HotpParameters {
  readonly algorithm: OtpAlgorithm;
  /** How many decimal digits a code has. */
  readonly digits: number;
}

export interface TotpParameters extends HotpParameters {
  /** A time step's length in seconds (X of RFC 6238). */
  readonly period: number;
}

/** Both ends are within. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

/** What every authenticator app assumes when a URI does not say otherwise. */
export const totpDefaults = { algorithm: "SHA1", digits: 6, period: 30 } as const satisfies TotpParameters;

/** RFC 4226 section 5.3 (R4): at least 6 digits, possibly 7 or 8. */
export const digitLimits = { least: 6, most: 8 } as const;

/** In seconds. NIST SP 800-63B 5.1.4.1: the nonce changes at least once every two minutes. */
export const periodLimits = { least: 15, most: 120 } as const;

/** In 48 bits no look-ahead or resynchronisation comes near the end of the safe integers. */
export const MAX_COUNTER = 2 ** 48 - 1;

/** TOTP: how many steps on each side of the clock's own are accepted (RFC 6238 section 5.2). */
export const TOTP_WINDOW = 1;

/** HOTP: how many counters behind the expected one are tried (s of RFC 4226 section 7.4). */
export const HOTP_LOOK_AHEAD = 5;

/** HOTP: how far ahead two codes in a row are searched to resynchronise (RFC 4226 section 7.4). */
export const HOTP_RESYNC_RANGE = 50;
