import { timingSafeEqual } from "node:crypto";
import type { FactorKind } from "@postern/shared/messages";
import { parseCode } from "@postern/shared/otp/code";
import { matchHotp, resyncHotp } from "@postern/shared/otp/hotp";
import { hashRecoveryCode, parseRecoveryCode, type RecoveryCode } from "@postern/shared/otp/recovery-code";
import { matchTotp } from "@postern/shared/otp/totp";
import type { Account, Factor, HotpFactor, TotpFactor } from "../records/account.js";
import type { TokenFault } from "./reset-tokens.js";

/** A code as a person gave it; with a second one, two in a row of an HOTP device that ran ahead. */
export interface CodeGuess {
  readonly code: string;
  readonly secondCode?: string | undefined;
}

/** Why a code was refused, for the audit record. */
export type CodeFault = "wrong_code" | "replayed_code" | "expired_code" | TokenFault;

/** What was taken; `resync`: two codes in a row of an HOTP device that ran ahead; `token`: an operator's, for a code. */
export type CodeKind = FactorKind | "resync" | "token";

export type SpentCode =
  | {
      readonly kind: "spent";
      /** The account with that code used up. Only once this is stored may anything be granted. */
      readonly account: Account;
      /** RFC 8176. */
      readonly amr: readonly string[];
      /** What it was, for the audit record. */
      readonly by: CodeKind;
    }
  | {
      readonly kind: "refused";
      readonly fault: CodeFault;
      /** Seconds that the device is behind, by a code that was right for a step that has passed. */
      readonly clockBehind: number | undefined;
    };

/**
 * Uses a code up: a TOTP step, with every one before it; an HOTP counter, with every one before it; or a recovery code.
 * Which it is shows by its form. A malformed code is a wrong one, so that every path counts it. `now` in milliseconds.
 */
export function spendCode(account: Account, guess: CodeGuess, now: number): SpentCode {
  const recovery = guess.secondCode === undefined ? parseRecoveryCode(guess.code) : undefined;
  return recovery === undefined ? spendOtp(account, guess, now) : spendRecoveryCode(account, recovery);
}

/** What a code is to one authenticator: what is left of it once the code is used, or why it is none. */
export type FactorVerdict =
  | { readonly kind: "match"; readonly used: Factor }
  | { readonly kind: "replayed" }
  | { readonly kind: "past"; readonly clockBehind: number }
  | { readonly kind: "none" };

export function judgeFactor(factor: Factor, guess: CodeGuess, now: number): FactorVerdict {
  return factor.kind === "totp" ? judgeTotp(factor, guess, now) : judgeHotp(factor, guess, now);
}

function judgeTotp(factor: TotpFactor, { code: typed, secondCode }: CodeGuess, now: number): FactorVerdict {
  const { secret, algorithm, digits, period, lastStep } = factor;
  const code = parseCode(typed, digits);
  if (code === undefined || secondCode !== undefined) return { kind: "none" };
  const verdict = matchTotp({ secret, code, now, lastStep, params: { algorithm, digits, period } });
  switch (verdict.kind) {
    case "match":
      return { kind: "match", used: { ...factor, lastStep: verdict.step, lastUsedAt: now } };
    case "past":
      return { kind: "past", clockBehind: verdict.stepsBehind * period };
    default:
      return verdict.kind === "replayed" ? { kind: "replayed" } : { kind: "none" };
  }
}

function judgeHotp(factor: HotpFactor, { code: typed, secondCode }: CodeGuess, now: number): FactorVerdict {
  const { resync, ...rest } = factor;
  const { secret, algorithm, digits, counter } = rest;
  const attempt = { secret, counter, params: { algorithm, digits } };
  const code = parseCode(typed, digits);
  const second = secondCode === undefined ? undefined : parseCode(secondCode, digits);
  if (code === undefined || (secondCode !== undefined && second === undefined)) return { kind: "none" };
  if (resync && second === undefined) return { kind: "none" };
  const match =
    second === undefined ? matchHotp({ ...attempt, code }) : resyncHotp({ ...attempt, codes: [code, second] });
  if (match === undefined) return { kind: "none" };
  return { kind: "match", used: { ...rest, counter: match.nextCounter, lastUsedAt: now } };
}

/** Every authenticator is asked; a code that two of them show is used up at both. */
function spendOtp(account: Account, guess: CodeGuess, now: number): SpentCode {
  const verdicts = account.factors.map((factor) => judgeFactor(factor, guess, now));
  if (verdicts.some(({ kind }) => kind === "match")) {
    const factors = account.factors.map((factor, index) => {
      const verdict = verdicts[index];
      return verdict?.kind === "match" ? verdict.used : factor;
    });
    const used = account.factors.find((_factor, index) => verdicts[index]?.kind === "match");
    const by = guess.secondCode === undefined ? (used?.kind ?? "totp") : "resync";
    return { kind: "spent", account: { ...account, factors }, amr: ["otp", "mfa"], by };
  }
  if (verdicts.some(({ kind }) => kind === "replayed")) return refused("replayed_code");
  const past = verdicts.find((verdict) => verdict.kind === "past");
  return past === undefined ? refused("wrong_code") : refused("expired_code", past.clockBehind);
}

function spendRecoveryCode(account: Account, code: RecoveryCode): SpentCode {
  const hash = hashRecoveryCode(code);
  const recovery = account.recovery.filter((stored) => !timingSafeEqual(stored, hash));
  if (recovery.length === account.recovery.length) return refused("wrong_code");
  return { kind: "spent", account: { ...account, recovery }, amr: ["mfa"], by: "recovery" };
}

function refused(fault: CodeFault, clockBehind?: number): SpentCode {
  return { kind: "refused", fault, clockBehind };
}
