import { PosternError } from "@postern/shared/errors";
import type { SessionId } from "@postern/shared/ids";
import { parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, putAccount } from "../records/account.js";
import { type Budget, untouchedBudget } from "../records/budget.js";
import { type Device, putDevice } from "../records/device.js";
import { deleteResetToken, resetOwner } from "../records/reset-token.js";
import { type BudgetState, budgetState, CODE_FAILURES_MAX, chargeBudget } from "./budget.js";
import { aboutAccount, audit, type Peer, type ServiceContext } from "./context.js";
import { type CodeGuess, type SpentCode, spendCode } from "./factors.js";
import { deviceOf, type Guesser } from "./guesser.js";
import { judgeResetToken } from "./reset-tokens.js";
import { isHash, type TokenHash } from "./token-secret.js";
import type { CodeVerified } from "./witnesses.js";

/** Whose code it is, who gives it, and what for. */
export interface CodeCase {
  /** As the transaction found it. */
  readonly account: Account;
  readonly nameIndex: Buffer;
  readonly guesser: Guesser;
  readonly event:
    | "login.code"
    | "password.change"
    | "session.verify"
    | "account.delete"
    | "password.reset"
    | "factor.reset";
  readonly session?: SessionId | undefined;
  /** What a right code changes of the account beside itself, so that it is stored once. */
  readonly granted?: Pick<Account, "lastLoginAt"> | undefined;
}

/** A factor reset token, which stands in for a code: a guess like any other. */
export interface TokenGuess {
  readonly token: TokenHash;
}

export type CodeVerdict =
  | {
      readonly kind: "right";
      readonly code: CodeVerified;
      /** With the code used up; it is stored so already. */
      readonly account: Account;
      /** The guesser's device, if it is a known one. */
      readonly device: Device | undefined;
    }
  | CodeRefusal;

export type CodeRefusal =
  | { readonly kind: "wrong"; readonly clockBehind: number | undefined }
  | { readonly kind: "wrong_token" }
  /** It was right, and grants nothing: an operator has disabled the account. */
  | { readonly kind: "disabled" }
  | Exclude<BudgetState, { kind: "open" }>;

/**
 * The one path that takes a code, whatever for: it judges the guess, charges it to the guesser's budget or uses the code
 * up, and records a refusal, all in the caller's transaction. What the code is good for, the caller adds to that.
 *
 * That an account is disabled is looked at last: who has not proved both factors is told nothing of it, and where both
 * are proved no witness is made.
 */
export async function judgeCode(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  codeCase: CodeCase,
  guess: CodeGuess | TokenGuess,
): Promise<CodeVerdict> {
  const { nameIndex } = codeCase;
  const weighed = await weigh(context, tx, peer, codeCase, guess);
  if (weighed.kind !== "right") return weighed;
  const { spent, budget, device, refuse } = weighed;
  const code = { amr: spent.amr, by: spent.by } as CodeVerified;
  if (budget.failures >= CODE_FAILURES_MAX) {
    const about = aboutAccount(spent.account);
    await audit(context, tx, peer, { ...about, event: "codes.reopen", outcome: "done", device: device?.id });
  }
  const granted = spent.account.disabledAt === undefined ? codeCase.granted : undefined;
  const reopened = device === undefined ? { codeBudget: untouchedBudget } : {};
  const stored = { ...spent.account, ...reopened, ...granted };
  await putAccount(tx, nameIndex, stored);
  if (device !== undefined && budget.failures > 0) await putDevice(tx, { ...device, codeBudget: untouchedBudget });
  if (stored.disabledAt !== undefined) return refuseDisabled(refuse);
  if ("token" in guess) await deleteResetToken(tx, stored.id, "factors");
  return { kind: "right", code, account: stored, device: device && { ...device, codeBudget: untouchedBudget } };
}

/**
 * Judges a factor reset token as `judgeCode` does, and charges a wrong one likewise, but uses a right one not up: what it
 * begins is only done once it is judged again. It is no witness of anything.
 */
export async function weighToken(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  codeCase: CodeCase,
  guess: TokenGuess,
): Promise<CodeRefusal | undefined> {
  const weighed = await weigh(context, tx, peer, codeCase, guess);
  if (weighed.kind !== "right") return weighed;
  return weighed.spent.account.disabledAt === undefined ? undefined : refuseDisabled(weighed.refuse);
}

type Refuse = (reason: string) => Promise<void>;

async function refuseDisabled(refuse: Refuse): Promise<CodeRefusal> {
  await refuse("disabled");
  return { kind: "disabled" };
}

interface Weighed {
  readonly kind: "right";
  readonly spent: Extract<SpentCode, { kind: "spent" }>;
  readonly budget: Budget;
  readonly device: Device | undefined;
  /** Records that it is refused all the same. */
  readonly refuse: Refuse;
}

/** Whether the guesser's budget is open, and the guess right; what is not is charged and recorded. */
async function weigh(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  { account, nameIndex, guesser, event, session }: CodeCase,
  guess: CodeGuess | TokenGuess,
): Promise<Weighed | CodeRefusal> {
  const now = context.now();
  const device = await deviceOf(tx, account, guesser);
  const payer = { account, nameIndex, device };
  const budget = device?.codeBudget ?? account.codeBudget;
  const refuse: Refuse = (reason) =>
    audit(context, tx, peer, {
      ...aboutAccount(account),
      event,
      outcome: "refused",
      reason,
      session,
      device: device?.id,
    });

  const state = stateFor(budget, guess, now);
  if (state.kind !== "open") {
    if (budget.noted) return state;
    await putCodeBudget(tx, payer, { ...budget, noted: true });
    await refuse(state.kind === "locked" ? "locked" : "throttled");
    return state;
  }
  const spent = "token" in guess ? await spendToken(tx, account, guess, now) : spendCode(account, guess, now);
  if (spent.kind === "spent") return { kind: "right", spent, budget, device, refuse };
  await putCodeBudget(tx, payer, chargeBudget(budget, now));
  await refuse(spent.fault);
  return "token" in guess ? { kind: "wrong_token" } : { kind: "wrong", clockBehind: spent.clockBehind };
}

async function spendToken(
  tx: SealedWriteTransaction,
  account: Account,
  { token }: TokenGuess,
  now: number,
): Promise<SpentCode> {
  const isIt = (hash: TokenHash) => isHash(hash, token);
  const judged = await judgeResetToken(tx, resetOwner(account.id), "factors", { isIt, now });
  if ("fault" in judged) return { kind: "refused", fault: judged.fault, clockBehind: undefined };
  return { kind: "spent", account, amr: ["mfa"], by: "token" };
}

type Payer = Pick<CodeCase, "account" | "nameIndex"> & { readonly device: Device | undefined };

async function putCodeBudget(
  tx: SealedWriteTransaction,
  { account, nameIndex, device }: Payer,
  codeBudget: Budget,
): Promise<void> {
  if (device === undefined) await putAccount(tx, nameIndex, { ...account, codeBudget });
  else await putDevice(tx, { ...device, codeBudget });
}

/**
 * A recovery code, and an operator's token, open a budget that is locked for good, but wait like any other guess while it
 * is blocked.
 */
function stateFor(budget: Budget, guess: CodeGuess | TokenGuess, now: number): BudgetState {
  const opens = "token" in guess || parseRecoveryCode(guess.code) !== undefined;
  return budgetState(budget, now, opens ? undefined : CODE_FAILURES_MAX);
}

/** What a person is told of a code that is good for nothing. */
export function refusalOf(verdict: CodeRefusal): PosternError {
  switch (verdict.kind) {
    case "wrong": {
      const { clockBehind } = verdict;
      return new PosternError("code_refused", clockBehind === undefined ? {} : { clockBehind });
    }
    case "wrong_token":
      return new PosternError("token_invalid");
    case "disabled":
      return new PosternError("account_disabled");
    case "blocked":
      return new PosternError("throttled", { retryAfter: verdict.retryAfter });
    case "locked":
      return new PosternError("codes_locked");
  }
}
