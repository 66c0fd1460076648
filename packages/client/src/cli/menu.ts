import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { keptSession } from "../session/session-file.js";
import { accountMenu } from "./account/menu.js";
import { loginCommand } from "./login.js";
import { environmentOf, type GlobalOptions, serverChoiceOf } from "./options.js";
import { recoverCommand } from "./recover.js";
import { registerCommand } from "./register.js";
import { logoutCommand, whoamiCommand } from "./session.js";

/**
 * What `postern` alone opens. A refusal is shown and the menu comes back; Ctrl-C anywhere ends the program.
 * @throws PosternError `input_needed` without a terminal, `cancelled`
 */
export async function menu(output: Output, options: GlobalOptions): Promise<void> {
  const environment = environmentOf(output, options);
  const { address } = serverChoiceOf(options);
  for (;;) {
    const kept = await keptSession(environment.paths, address).catch(() => undefined);
    const choice = await environment.prompter.choose(`Postern at ${address.key}`, [
      { label: "Register", value: () => registerCommand(output, undefined, options) },
      { label: "Log in", value: () => loginCommand(output, undefined, options) },
      ...(kept === undefined
        ? []
        : [
            { label: `Who am I (${kept.name})`, value: () => whoamiCommand(output, options) },
            { label: "Account…", value: () => accountMenu(output, options) },
            { label: "Log out", value: () => logoutCommand(output, options) },
          ]),
      { label: "Use a reset token of the operator's", value: () => recoverCommand(output, undefined, options) },
      { label: "Quit", value: undefined },
    ]);
    if (choice === undefined) return;
    try {
      await choice();
    } catch (thrown) {
      if (thrown instanceof PosternError && thrown.code === "cancelled") throw thrown;
      output.fail(thrown);
    }
    output.note(say``);
  }
}
