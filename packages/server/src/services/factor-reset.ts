import { PosternError } from "@postern/shared/errors";
import { putAccount, type TotpFactor } from "../records/account.js";
import { refusalOf, type TokenGuess, weighToken } from "./code-guess.js";
import { aboutAccount, audit, type Peer, type ServiceContext } from "./context.js";
import { enrolmentOf, type FactorEnrolment, newTotpFactor, takeFirstCode, wipeFactor } from "./enrolment.js";
import { accountChanged, findProvedAccount, withCode } from "./login-code.js";
import { newRecoverySet } from "./recovery.js";
import type { Registered } from "./registration.js";
import { endSessionsBut } from "./sessions.js";
import { hashOfTyped } from "./token-secret.js";
import type { PasswordVerified } from "./witnesses.js";

/**
 * A lost authenticator: behind the proved password the operator's token stands in for one code, which is good for
 * nothing but a new authenticator in the place of all others. Nobody is logged in by it.
 */

/** A person who was shown a new secret: it lives in its connection only, until its first code. */
export interface FactorReplacement {
  readonly password: PasswordVerified;
  readonly guess: TokenGuess;
  readonly authenticator: FactorEnrolment<TotpFactor>;
}

const event = "factor.reset";

/**
 * Judges the token, and makes the secret of a new authenticator. Nothing is used up or replaced before its first code.
 * @throws PosternError `token_invalid`, `throttled`; `login_failed` when the account changed meanwhile;
 *   `account_disabled`, which only a right token is told
 */
export async function offerReplacement(
  context: ServiceContext,
  peer: Peer,
  password: PasswordVerified,
  tokenHex: string,
): Promise<FactorReplacement> {
  const { nameIndex, guesser, identity } = password;
  const guess = { token: hashOfTyped(tokenHex) };
  const refused = await context.barrier.transact(async (tx) => {
    const account = await findProvedAccount(tx, password);
    if (account === undefined) return accountChanged(context, tx, peer, { password, event });
    const refusal = await weighToken(context, tx, peer, { account, nameIndex, guesser, event }, guess);
    if (refusal !== undefined) return refusalOf(refusal);
    await audit(context, tx, peer, { ...aboutAccount(account), event: "factor.reset.start", outcome: "granted" });
    return undefined;
  });
  if (refused instanceof PosternError) throw refused;
  const authenticator = enrolmentOf(newTotpFactor(context, { label: "authenticator" }), identity);
  return { password, guess, authenticator };
}

/**
 * Replaces all authenticators and recovery codes. The token is judged once more and used up, the new one's first code is
 * used up, all sessions end, and the log tells of it, in one transaction.
 * @throws PosternError `code_refused` (the enrolment goes on while tries are left); `token_invalid` when the token was
 *   used, replaced or has expired meanwhile; `throttled`, `login_failed`
 */
export async function confirmReplacement(
  context: ServiceContext,
  peer: Peer,
  { password, guess, authenticator }: FactorReplacement,
  code: string,
): Promise<Registered> {
  const factor = takeFirstCode(authenticator, code, context.now());
  if (factor instanceof PosternError) {
    const about = aboutAccount({ id: password.account, identity: password.identity });
    const told = { ...about, event, outcome: "refused", reason: "wrong_first_code" } as const;
    await context.barrier.transact((tx) => audit(context, tx, peer, told));
    throw factor;
  }
  const replaced = await withCode(context, peer, { password, guess, event }, async (tx, { account, device }) => {
    const { shown, hashes } = newRecoverySet(context.random);
    await putAccount(tx, password.nameIndex, { ...account, factors: [factor], recovery: hashes });
    await endSessionsBut(tx, account.id);
    const told = { event, outcome: "done", reason: factor.id, device: device?.id } as const;
    await audit(context, tx, peer, { ...aboutAccount(account), ...told });
    return { account: account.id, identity: password.identity, recoveryCodes: shown };
  });
  wipeFactor(authenticator);
  return replaced;
}
