import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { withSession } from "../../flows/live-session.js";
import { withStepUp } from "../../flows/step-up.js";
import { sessionUseOf } from "../kept-session.js";
import { environmentOf, type GlobalOptions, requireInput } from "../options.js";
import { recoveryCodeLines } from "../recovery-code-lines.js";
import { type AccountOptions, isConfirmed, missingYes } from "./options.js";
import { stepUpCodeOf } from "./step-up-code.js";

export async function recoveryStatusCommand(output: Output, options: GlobalOptions): Promise<void> {
  await withSession(await sessionUseOf(output, options), async (session) => {
    const { left, total } = await session.call("recovery.status", {});
    output.result({ left, total }, say`You have ${left} of ${total} recovery codes left.`);
  });
}

export async function recoveryRegenerateCommand(output: Output, options: AccountOptions): Promise<void> {
  const environment = environmentOf(output, options);
  requireInput(environment, missingYes(options));
  const askCode = stepUpCodeOf(environment, options);
  await withSession(await sessionUseOf(output, options), async (session) => {
    const question = "The recovery codes that you have stop working. Make new ones?";
    if (!(await isConfirmed(environment, options, question))) return;
    const { recovery_codes } = await withStepUp(session, askCode, () => session.call("recovery.regenerate", {}));
    output.result({ recovery_codes }, ...recoveryCodeLines(recovery_codes));
  });
}
