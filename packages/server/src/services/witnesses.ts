import type { AccountId } from "@postern/shared/ids";
import type { Identity } from "@postern/shared/names/name";
import type { Verifier } from "@postern/shared/srp/parse";

/**
 * What a login has shown so far. Nobody can write these values down without a cast, and there are two of these, both in
 * login.ts, behind the checks that they stand for: to forget a factor is a type error.
 */
declare const passwordWitness: unique symbol;
declare const codeWitness: unique symbol;

/** Someone proved the password of this account, over this channel. Made only by `provePassword`. */
export interface PasswordVerified {
  readonly [passwordWitness]: true;
  readonly account: AccountId;
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  /** The verifier that was proved: one that was replaced meanwhile is not proved any more. */
  readonly verifier: Verifier;
}

/** A code of this account was right and is used up. Made only by `verifyCode`. */
export interface CodeVerified {
  readonly [codeWitness]: true;
  readonly amr: readonly string[];
}
