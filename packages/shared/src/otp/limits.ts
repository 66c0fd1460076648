import { digitLimits, periodLimits, type Range } from "./parameters.js";
import { secretLimits } from "./secret.js";

/** What may be said of an authenticator. */
export interface OtpLimits {
  readonly digits: Range;
  /** In seconds. */
  readonly period: Range;
  readonly secretBytes: Range;
  /** Whether a URI may have parameters that no rule of ours names, which are then left out: a picture, a colour. */
  readonly otherParameters: boolean;
}

/** What a server enrols, and what people may be let in by. */
export const enrolmentLimits = {
  digits: digitLimits,
  period: periodLimits,
  secretBytes: secretLimits,
  otherParameters: false,
} as const satisfies OtpLimits;

/**
 * What other programs hand out: whoever holds such a secret must still get their codes. Ten digits are all that the 31 bits
 * of RFC 4226 section 5.3 fill.
 */
export const toolkitLimits = {
  digits: { least: 4, most: 10 },
  period: { least: 1, most: 86_400 },
  secretBytes: { least: 1, most: 128 },
  otherParameters: true,
} as const satisfies OtpLimits;
