import { randomFillSync } from "node:crypto";
import type { TokenKind } from "@postern/shared/token";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import type { AccountHead } from "../records/account.js";
import {
  deleteResetToken,
  findResetToken,
  putResetToken,
  type ResetKind,
  type ResetOwner,
  type ResetToken,
  resetKinds,
  resetTokenKey,
  scanResetTokens,
} from "../records/reset-token.js";
import { type AuditContext, aboutAccount, audit, type ServiceContext } from "./context.js";
import { findLocated, locate, type Who } from "./people.js";
import { type EndedIn, sweep } from "./sweep.js";
import { drawToken, type TokenHash } from "./token-secret.js";

/**
 * Reset tokens: an operator makes one for a person who has lost the password, or the authenticator. It lets nobody in
 * alone: with the one a code is asked for as ever, with the other the password.
 */

const tokenKinds = { password: "password-reset", factors: "factor-reset" } as const satisfies Record<
  ResetKind,
  TokenKind
>;

export interface IssuedToken {
  readonly token: string;
  readonly kind: TokenKind;
  readonly account: AccountHead["id"];
  readonly identity: string;
  readonly expiresAt: number;
}

/**
 * Makes a token for a person, in the place of the last one of its kind. Nothing else of the account changes.
 * @throws PosternError `user_unknown`
 */
export async function issueResetToken(
  context: AuditContext,
  who: Who,
  { resets, lifetime }: { readonly resets: ResetKind; readonly lifetime: number },
): Promise<IssuedToken> {
  const { barrier, random } = context;
  const now = context.now();
  const located = await locate(barrier, who);
  return barrier.transact(async (tx) => {
    const { account } = await findLocated(barrier, tx, located);
    const { id, identity } = account;
    const kind = tokenKinds[resets];
    const { text, hash } = await drawToken(tx, kind, random);
    const expiresAt = now + lifetime;
    await putResetToken(tx, { account: id, resets, hash, createdAt: now, expiresAt });
    const event = `user.reset-${resets}`;
    await audit(context, tx, undefined, { event, outcome: "done", ...aboutAccount(account) });
    return { token: text, kind, account: id, identity, expiresAt };
  });
}

/** Why a token opens nothing, for the log alone: whoever asks hears one answer. */
export type TokenFault = "token_unknown" | "token_expired";

/** What is compared with where there is no token: the time shall not tell. */
const nobodysHash = randomFillSync(Buffer.alloc(32));

/**
 * Judges a token that is said to be of this owner and kind, by whatever shows that somebody has it: gives what is stored
 * of it, or why it is none. `now` in milliseconds.
 */
export async function judgeResetToken(
  tx: SealedReadTransaction,
  owner: ResetOwner,
  kind: ResetKind,
  { isIt, now }: { readonly isIt: (hash: TokenHash) => boolean; readonly now: number },
): Promise<{ readonly hash: TokenHash } | { readonly fault: TokenFault }> {
  const stored = await findResetToken(tx, owner, kind);
  const hash = (stored?.hash ?? nobodysHash) as TokenHash;
  const right = isIt(hash);
  if (stored === undefined || !right) return { fault: "token_unknown" };
  return isExpired(stored, now) ? { fault: "token_expired" } : { hash };
}

/** Ends every reset token of an account that is gone. */
export async function forgetResetTokens(tx: SealedWriteTransaction, { id }: Pick<AccountHead, "id">): Promise<void> {
  for (const kind of resetKinds) await deleteResetToken(tx, id, kind);
}

function isExpired({ expiresAt }: ResetToken, now: number): boolean {
  return expiresAt <= now;
}

/** Deletes the tokens whose time is over; run now and then, so that no clock revives one. Returns how many. */
export function sweepResetTokens(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { tokens, damaged, next } = await scanResetTokens(tx, after, limit);
    const ended = tokens.filter((token) => isExpired(token, now()));
    return { keys: [...ended.map(resetTokenKey), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}
