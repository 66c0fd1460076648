import { PosternError } from "@postern/shared/errors";
import { newId } from "@postern/shared/ids";
import type { Identity } from "@postern/shared/names/name";
import { type OtpAlgorithm, otpAlgorithms, totpDefaults } from "@postern/shared/otp/parameters";
import { encodeSecret, newSecret } from "@postern/shared/otp/secret";
import { NO_STEP } from "@postern/shared/otp/totp";
import { type Otpauth, otpauthUri } from "@postern/shared/otp/uri";
import type { Factor, HotpFactor, TotpFactor } from "../records/account.js";
import type { ServiceContext } from "./context.js";
import { judgeFactor } from "./factors.js";

/** The issuer that authenticator apps show beside the name. */
const OTP_ISSUER = "Postern";

/** Wrong first codes that are taken before an enrolment is dropped. */
const FIRST_CODE_TRIES = 10;

/** What an authenticator is asked to be; what is left out is as every app assumes. */
export interface FactorWish {
  readonly label: string;
  readonly algorithm?: OtpAlgorithm | undefined;
  readonly digits?: number | undefined;
  /** In seconds, for TOTP. */
  readonly period?: number | undefined;
}

/** An authenticator whose secret a person was shown: it lives in its connection only, until the first code. */
export interface FactorEnrolment<F extends Factor = Factor> {
  readonly factor: F;
  readonly uri: string;
  /** Base32, as it is typed into an app by hand. */
  readonly secretText: string;
  triesLeft: number;
}

export function enrolmentOf<F extends Factor>(factor: F, identity: Identity): FactorEnrolment<F> {
  const { secret } = factor;
  const uri = otpauthUri({ ...shownOf(factor), issuer: OTP_ISSUER, account: identity });
  return { factor, uri, secretText: encodeSecret(secret), triesLeft: FIRST_CODE_TRIES };
}

function shownOf(factor: Factor): OmitEach<Otpauth, "issuer" | "account"> {
  const { secret, algorithm, digits } = factor;
  const shown = { secret, algorithm, digits };
  return factor.kind === "totp"
    ? { type: "totp", period: factor.period, ...shown }
    : { type: "hotp", counter: factor.counter, ...shown };
}

type OmitEach<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

type Tools = Pick<ServiceContext, "now" | "random">;

export function newTotpFactor(tools: Tools, wish: FactorWish): TotpFactor {
  return { kind: "totp", ...newFacts(tools, wish), period: wish.period ?? totpDefaults.period, lastStep: NO_STEP };
}

export function newHotpFactor(tools: Tools, wish: FactorWish): HotpFactor {
  return { kind: "hotp", ...newFacts(tools, wish), counter: 0 };
}

function newFacts({ now, random }: Tools, { label, ...wish }: FactorWish) {
  const { algorithm = totpDefaults.algorithm, digits = totpDefaults.digits } = wish;
  const secret = newSecret(otpAlgorithms[algorithm].secretBytes, random);
  return { id: newId("factor", random), label, secret, algorithm, digits, createdAt: now() };
}

/**
 * The authenticator with its first code used up, which shows that the person's app has the secret; or why there is none:
 * only so many wrong ones are taken. `now` in milliseconds.
 */
export function takeFirstCode(enrolment: FactorEnrolment, code: string, now: number): Factor | PosternError {
  const verdict = judgeFactor(enrolment.factor, { code }, now);
  if (verdict.kind === "match") return verdict.used;
  enrolment.triesLeft -= 1;
  return new PosternError("code_refused", verdict.kind === "past" ? { clockBehind: verdict.clockBehind } : {});
}

/** Forgets an enrolment that was finished, abandoned or refused. */
export function wipeFactor({ factor }: FactorEnrolment): void {
  factor.secret.fill(0);
}
