import { PosternError } from "@postern/shared/errors";
import type { SessionId } from "@postern/shared/ids";
import { parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, putAccount } from "../records/account.js";
import { type Budget, untouchedBudget } from "../records/budget.js";
import { type Device, putDevice } from "../records/device.js";
import { type BudgetState, budgetState, CODE_FAILURES_MAX, chargeBudget } from "./budget.js";
import { aboutAccount, audit, type Peer, type ServiceContext } from "./context.js";
import { type CodeGuess, spendCode } from "./factors.js";
import { deviceOf, type Guesser } from "./guesser.js";
import type { CodeVerified } from "./witnesses.js";

/** Whose code it is, who gives it, and what for. */
export interface CodeCase {
  /** As the transaction found it. */
  readonly account: Account;
  readonly nameIndex: Buffer;
  readonly guesser: Guesser;
  readonly event: "login.code" | "password.change" | "session.verify" | "account.delete";
  readonly session?: SessionId | undefined;
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
  | { readonly kind: "wrong"; readonly clockBehind: number | undefined }
  /** It was right and is used up, and grants nothing: an operator has disabled the account. */
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
  { account, nameIndex, guesser, event, session }: CodeCase,
  guess: CodeGuess,
): Promise<CodeVerdict> {
  const now = context.now();
  const device = await deviceOf(tx, account, guesser);
  const payer = { account, nameIndex, device };
  const budget = device?.codeBudget ?? account.codeBudget;
  const refuse = (reason: string) =>
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
  const spent = spendCode(account, guess, now);
  if (spent.kind === "refused") {
    await putCodeBudget(tx, payer, chargeBudget(budget, now));
    await refuse(spent.fault);
    return { kind: "wrong", clockBehind: spent.clockBehind };
  }
  const code = { amr: spent.amr, by: spent.by } as CodeVerified;
  if (budget.failures >= CODE_FAILURES_MAX) {
    const reopened = { ...aboutAccount(account), event: "codes.reopen", outcome: "done", device: device?.id } as const;
    await audit(context, tx, peer, reopened);
  }
  const stored = device === undefined ? { ...spent.account, codeBudget: untouchedBudget } : spent.account;
  await putAccount(tx, nameIndex, stored);
  if (device !== undefined && budget.failures > 0) await putDevice(tx, { ...device, codeBudget: untouchedBudget });
  if (stored.disabledAt !== undefined) {
    await refuse("disabled");
    return { kind: "disabled" };
  }
  return { kind: "right", code, account: stored, device: device && { ...device, codeBudget: untouchedBudget } };
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

/** A recovery code opens a budget that is locked for good, but waits like any other guess while it is blocked. */
function stateFor(budget: Budget, { code }: CodeGuess, now: number): BudgetState {
  return budgetState(budget, now, parseRecoveryCode(code) === undefined ? CODE_FAILURES_MAX : undefined);
}

/** What a person is told of a code that is good for nothing. */
export function refusalOf(verdict: Exclude<CodeVerdict, { kind: "right" }>): PosternError {
  switch (verdict.kind) {
    case "wrong": {
      const { clockBehind } = verdict;
      return new PosternError("code_refused", clockBehind === undefined ? {} : { clockBehind });
    }
    case "disabled":
      return new PosternError("account_disabled");
    case "blocked":
      return new PosternError("throttled", { retryAfter: verdict.retryAfter });
    case "locked":
      return new PosternError("codes_locked");
  }
}
