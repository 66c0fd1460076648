import type { AccountId } from "@postern/shared/ids";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { untouchedBudget } from "../records/budget.js";
import { type Device, putDevice } from "../records/device.js";
import { budgetState, chargeBudget } from "./budget.js";
import { deviceOf, type Guesser } from "./guesser.js";
import { type GuessVerdict, judgeStrangerGuess } from "./stranger-counters.js";

export interface PasswordGuess {
  readonly nameIndex: Buffer;
  /** Undefined for a name that nobody has. */
  readonly account: { readonly id: AccountId; readonly passwordVersion: number } | undefined;
  readonly guesser: Guesser;
}

/**
 * Judges one password guess whose comparison is done already, and charges it to the guesser's budget: a success resets
 * that one alone, so that a person's coming and going does not show in what strangers are answered. The verdict may
 * leave the process only once `tx` is durable; a thousand guesses at once are judged one after another here, as if
 * they had come so.
 */
export async function judgePasswordGuess(
  tx: SealedWriteTransaction,
  { nameIndex, account, guesser }: PasswordGuess,
  right: boolean,
  now: number,
): Promise<GuessVerdict> {
  const device = account && (await deviceOf(tx, account, guesser));
  return device === undefined
    ? judgeStrangerGuess(tx, nameIndex, right, now)
    : judgeDeviceGuess(tx, device, right, now);
}

async function judgeDeviceGuess(
  tx: SealedWriteTransaction,
  device: Device,
  right: boolean,
  now: number,
): Promise<GuessVerdict> {
  const budget = device.passwordBudget;
  const state = budgetState(budget, now);
  if (state.kind === "blocked") {
    if (!budget.noted) await putDevice(tx, { ...device, passwordBudget: { ...budget, noted: true } });
    return { kind: "throttled", first: !budget.noted, retryAfter: state.retryAfter };
  }
  if (!right) {
    await putDevice(tx, { ...device, passwordBudget: chargeBudget(budget, now) });
    return { kind: "wrong" };
  }
  if (budget.failures > 0) await putDevice(tx, { ...device, passwordBudget: untouchedBudget });
  return { kind: "right" };
}
