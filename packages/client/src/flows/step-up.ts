import { failedWith } from "../failed-with.js";
import { type AskCode, giveCode } from "./give-code.js";
import type { LiveSession } from "./live-session.js";

/** Nothing is known of the account's authenticators before a code was given. */
export const nothingKnown = () => ({ factors: [], period: undefined });

/**
 * Runs `act`; where it needs a fresh code, gives one and runs it again.
 * @throws PosternError `step_up_needed` when `askCode` has none; as `giveCode`
 */
export async function withStepUp<T>(session: LiveSession, askCode: AskCode, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (!failedWith(thrown, "step_up_needed")) throw thrown;
    await giveCode(askCode, { about: nothingKnown, otherwise: thrown }, (code) => session.call("session.verify", code));
    return act();
  }
}
