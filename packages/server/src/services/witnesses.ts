import type { AccountId } from "@postern/shared/ids";
import type { Identity } from "@postern/shared/names/name";
import type { CodeKind } from "./factors.js";
import type { Guesser } from "./guesser.js";
import type { LiveSession } from "./live-session.js";
import type { TokenHash } from "./token-secret.js";

/**
 * What a person has shown so far. Nobody can write these values down without a cast, and there is one of these for
 * each, behind the check that it stands for: to forget a factor is a type error.
 */
declare const passwordWitness: unique symbol;
declare const codeWitness: unique symbol;
declare const freshWitness: unique symbol;
declare const resetWitness: unique symbol;

/** Someone proved the password of this account, over this channel. Made only by `provePassword`. */
export interface PasswordVerified {
  readonly [passwordWitness]: true;
  readonly account: AccountId;
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  /** Which of the account's passwords it was: once there is another, it is not proved any more. */
  readonly passwordVersion: number;
  readonly guesser: Guesser;
}

/** A code of this account was right and is used up. Made only by `judgeCode`. */
export interface CodeVerified {
  readonly [codeWitness]: true;
  readonly amr: readonly string[];
  readonly by: CodeKind;
}

/**
 * Someone showed the password reset token of this account: it takes the place of the password, and of no code. Made only
 * by `beginPasswordReset`.
 */
export interface ResetTokenShown {
  readonly [resetWitness]: true;
  readonly account: AccountId;
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  /** As of `PasswordVerified`. */
  readonly passwordVersion: number;
  readonly token: TokenHash;
}

/** A live session whose last code is no older than five minutes. Made only by `withFreshSession`. */
export interface FreshSession extends LiveSession {
  readonly [freshWitness]: true;
}
