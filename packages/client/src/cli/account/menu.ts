import type { Output } from "@postern/shared/terminal/output";
import { environmentOf, type GlobalOptions } from "../options.js";
import { accountDeleteCommand } from "./deletion.js";
import { deviceForgetCommand, deviceListCommand } from "./devices.js";
import { factorAddCommand, factorListCommand, factorRemoveCommand } from "./factors.js";
import { passwdCommand } from "./passwd.js";
import { recoveryRegenerateCommand, recoveryStatusCommand } from "./recovery.js";
import { sessionListCommand, sessionRevokeCommand } from "./sessions.js";

/** What the menu offers to whoever is logged in. Nothing is asked that a command would not ask. */
export async function accountMenu(output: Output, options: GlobalOptions): Promise<void> {
  const { prompter } = environmentOf(output, options);
  const others = { ...options, others: true };
  const choice = await prompter.choose("Account", [
    { label: "Change the password", value: () => passwdCommand(output, undefined, options) },
    { label: "Authenticators", value: () => factorListCommand(output, options) },
    { label: "Add an authenticator", value: () => factorAddCommand(output, options) },
    { label: "Remove an authenticator", value: () => factorRemoveCommand(output, undefined, options) },
    {
      label: "Recovery codes",
      value: async () => {
        await recoveryStatusCommand(output, options);
        await recoveryRegenerateCommand(output, options);
      },
    },
    {
      label: "Sessions",
      value: async () => {
        if ((await sessionListCommand(output, options)) === 0) return;
        if (!(await prompter.confirm("End all but this one?", false))) return;
        await sessionRevokeCommand(output, undefined, others);
      },
    },
    {
      label: "Devices",
      value: async () => {
        if ((await deviceListCommand(output, options)) === 0) return;
        if (!(await prompter.confirm("Forget all but this one?", false))) return;
        await deviceForgetCommand(output, undefined, others);
      },
    },
    { label: "Delete the account", value: () => accountDeleteCommand(output, options) },
    { label: "Back", value: async () => undefined },
  ]);
  await choice();
}
