import { timingSafeEqual } from "node:crypto";
import { newId } from "@postern/shared/ids";
import type { FactorKind } from "@postern/shared/messages";
import { parseCode } from "@postern/shared/otp/code";
import { otpAlgorithms, totpDefaults } from "@postern/shared/otp/parameters";
import { hashRecoveryCode, parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import { newSecret } from "@postern/shared/otp/secret";
import { matchTotp, NO_STEP } from "@postern/shared/otp/totp";
import type { Account, TotpFactor } from "../records/account.js";
import type { ServiceContext } from "./context.js";

/** A fresh authenticator, with the parameters that every app assumes. */
export function newTotpFactor({ now, random }: Pick<ServiceContext, "now" | "random">): TotpFactor {
  return {
    kind: "totp",
    id: newId("factor", random),
    label: "authenticator",
    secret: newSecret(otpAlgorithms[totpDefaults.algorithm].secretBytes, random),
    ...totpDefaults,
    lastStep: NO_STEP,
    createdAt: now(),
  };
}

/** A code as a person gave it, and which kind of factor it is meant for. */
export interface CodeGuess {
  readonly factor: FactorKind;
  readonly code: string;
}

export interface SpentCode {
  /** The account with that code used up. Only once this is stored may anything be granted. */
  readonly account: Account;
  /** RFC 8176. */
  readonly amr: readonly string[];
}

/** Why a code was refused, for the audit record; the person is not told. */
export type CodeFault = "wrong_code" | "replayed_code" | "expired_code";

/**
 * Uses a code up: a TOTP step, with every one before it, or a recovery code. A malformed code is a wrong one, so that
 * every path counts it.
 */
export function spendCode(account: Account, guess: CodeGuess, now: number): SpentCode | CodeFault {
  return guess.factor === "recovery" ? spendRecoveryCode(account, guess.code) : spendTotpCode(account, guess.code, now);
}

function spendTotpCode(account: Account, code: string, now: number): SpentCode | CodeFault {
  const verdicts = account.factors.map((factor) => ({ factor, verdict: judgeTotp(factor, code, now) }));
  for (const { factor, verdict } of verdicts) {
    if (verdict.kind !== "match") continue;
    const used = { ...factor, lastStep: verdict.step };
    const factors = account.factors.map((other) => (other === factor ? used : other));
    return { account: { ...account, factors }, amr: ["otp", "mfa"] };
  }
  if (verdicts.some(({ verdict }) => verdict.kind === "replayed")) return "replayed_code";
  return verdicts.some(({ verdict }) => verdict.kind === "past") ? "expired_code" : "wrong_code";
}

/** What a code is to one authenticator; `now` in milliseconds. */
export function judgeTotp(factor: TotpFactor, typed: string, now: number): ReturnType<typeof matchTotp> {
  const { secret, algorithm, digits, period, lastStep } = factor;
  const code = parseCode(typed, digits);
  if (code === undefined) return { kind: "none" };
  return matchTotp({ secret, code, now, lastStep, params: { algorithm, digits, period } });
}

function spendRecoveryCode(account: Account, typed: string): SpentCode | CodeFault {
  const code = parseRecoveryCode(typed);
  if (code === undefined) return "wrong_code";
  const hash = hashRecoveryCode(code);
  const recovery = account.recovery.filter((stored) => !timingSafeEqual(stored, hash));
  if (recovery.length === account.recovery.length) return "wrong_code";
  return { account: { ...account, recovery }, amr: ["mfa"] };
}
