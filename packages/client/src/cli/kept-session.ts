import type { Output } from "@postern/shared/terminal/output";
import type { SessionUse } from "../flows/live-session.js";
import { keptSession } from "../session/session-file.js";
import { environmentOf, type GlobalOptions, serverChoiceOf } from "./options.js";

/** The session that this machine keeps for the server of the options. @throws PosternError `not_logged_in` */
export async function sessionUseOf(output: Output, options: GlobalOptions): Promise<SessionUse> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  return { environment, choice, kept: await keptSession(environment.paths, choice.address) };
}
