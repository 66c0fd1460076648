import type { Params, Result } from "@postern/shared/messages";
import { type EnrolmentDialogue, enrol } from "./enrol.js";
import type { AskCode } from "./give-code.js";
import type { LiveSession } from "./live-session.js";
import { withStepUp } from "./step-up.js";

export type Factor = Result<"factor.confirm">;

/**
 * Adds an authenticator to a session's account. Nothing is stored anywhere before its first code was right; a connection
 * that ends before that ends the enrolment, whose secret it alone had.
 * @throws PosternError `step_up_needed`, `too_many_factors`, `label_invalid`, `label_taken`, `code_refused`
 */
export async function addFactor(
  session: LiveSession,
  wish: Params<"factor.add">,
  dialogue: EnrolmentDialogue & { readonly askCode: AskCode },
): Promise<Factor> {
  const offered = await withStepUp(session, dialogue.askCode, () => session.call("factor.add", wish));
  const { rpc } = session;
  return enrol({ ...offered, kind: wish.kind }, dialogue, {
    signal: rpc.ended,
    confirm: (code) => rpc.call("factor.confirm", { code }),
  });
}
