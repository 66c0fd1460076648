import { PosternError } from "../errors.js";
import { type Code, equalCodes } from "./code.js";
import { hotpCode, hotpCodes } from "./hotp.js";
import { TOTP_WINDOW, type TotpParameters } from "./parameters.js";

/** The last used step of a secret that no code was accepted for yet. */
export const NO_STEP = -1;

/** How many steps back a code is still recognised as a past one: ten minutes of the usual 30 seconds. */
export const PAST_STEPS = 20;

/** `T = floor(time / X)` (RFC 6238 section 4.2, T0 = 0); `timeMs` in milliseconds since 1970, `period` X in seconds. */
export function stepAt(timeMs: number, period: number): number {
  const step = Math.floor(timeMs / (period * 1000));
  if (!(step >= 0)) throw new PosternError("bug", { detail: "the clock stands before 1970" });
  return step;
}

/** Milliseconds until the next code: 1 to `period * 1000`. */
export function untilNextStep(timeMs: number, period: number): number {
  return (stepAt(timeMs, period) + 1) * period * 1000 - timeMs;
}

/** `TOTP(K, T) = HOTP(K, T)` (RFC 6238 section 4.2). */
export function totpCode(secret: Uint8Array, step: number, params: TotpParameters): Code {
  return hotpCode(secret, step, params);
}

/**
 * - `match`: right and unused. Keep `step` as the last used one, in the same transaction.
 * - `replayed`: right for a step at or before the last used one: never again (RFC 6238 section 5.2).
 * - `past`: right for a step before the window; the device is that many steps behind.
 * - `none`: wrong, or right for a future step. The two are not told apart: it would be an oracle for codes to come.
 */
export type TotpVerdict =
  | { readonly kind: "match"; readonly step: number }
  | { readonly kind: "replayed"; readonly step: number }
  | { readonly kind: "past"; readonly stepsBehind: number }
  | { readonly kind: "none" };

export interface TotpTry {
  readonly secret: Uint8Array;
  readonly code: Code;
  /** In milliseconds since 1970. */
  readonly now: number;
  /** The last used step, or `NO_STEP`. */
  readonly lastStep: number;
  readonly params: TotpParameters;
  /** Steps accepted on each side of the clock's own. */
  readonly window?: number;
}

/**
 * Looks for the code in the window, and where it is not a new one there, in the `PAST_STEPS` steps before the clock's
 * own: whoever has the right code does not wait for twenty others. Every step of what is looked at is computed and
 * compared in constant time. Should a code stand at more than one step, a match is preferred, then a replay, and the
 * latest of its kind counts, so that it cannot be used again.
 */
export function matchTotp({ secret, code, now, lastStep, params, window = TOTP_WINDOW }: TotpTry): TotpVerdict {
  const current = stepAt(now, params.period);
  const latest = (from: number, to: number) => {
    const first = Math.max(0, from);
    const found: { used?: number; unused?: number } = {};
    hotpCodes(secret, { from: first, to }, params).forEach((candidate, index) => {
      const step = first + index;
      if (equalCodes(candidate, code)) found[step <= lastStep ? "used" : "unused"] = step;
    });
    return found;
  };
  const near = latest(current - window, current + window);
  if (near.unused !== undefined) return { kind: "match", step: near.unused };
  const before = latest(current - PAST_STEPS, current - window - 1);
  const replayed = near.used ?? before.used;
  if (replayed !== undefined) return { kind: "replayed", step: replayed };
  if (before.unused !== undefined) return { kind: "past", stepsBehind: current - before.unused };
  return { kind: "none" };
}
