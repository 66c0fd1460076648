import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { parseWho, readPerson } from "../../services/people.js";
import { deletePerson, disablePerson, enablePerson, unlockPerson } from "../../services/people-care.js";
import { withAudit } from "../audit.js";
import type { StoreOptions } from "../unseal.js";
import { type ConfirmOptions, confirmByTyping, requireConfirmation } from "./confirm.js";
import { countedSessions } from "./sessions.js";

/** @throws PosternError `user_unknown`, `name_invalid`: as all of these */
export async function userDisableCommand(output: Output, typed: string, options: StoreOptions): Promise<void> {
  const who = parseWho(typed);
  await withAudit(output, options, async (context) => {
    const { account, changed, ended } = await disablePerson(context, who);
    const { id, identity: name } = account;
    output.result(
      { account: id, name, disabled: true, changed, ended },
      changed ? say`${name} is disabled, and ${countedSessions(ended)} ended.` : say`${name} was disabled already.`,
    );
  });
}

export async function userEnableCommand(output: Output, typed: string, options: StoreOptions): Promise<void> {
  const who = parseWho(typed);
  await withAudit(output, options, async (context) => {
    const { account, changed } = await enablePerson(context, who);
    const { id, identity: name } = account;
    output.result(
      { account: id, name, disabled: false, changed },
      changed ? say`${name} is enabled.` : say`${name} was not disabled.`,
    );
  });
}

export async function userUnlockCommand(output: Output, typed: string, options: StoreOptions): Promise<void> {
  const who = parseWho(typed);
  await withAudit(output, options, async (context) => {
    const { account, changed, passwords, codes, devices } = await unlockPerson(context, who);
    const { id, identity: name } = account;
    const forgotten = [
      ...(passwords ? [say`  strangers' wrong passwords`] : []),
      ...(codes ? [say`  strangers' wrong codes`] : []),
      ...(devices > 0 ? [say`  wrong tries on ${devices === 1 ? "1 known device" : `${devices} known devices`}`] : []),
    ];
    output.result(
      { account: id, name, changed, passwords, codes, devices },
      changed ? say`${name} is unlocked. Forgotten:` : say`${name} has no wrong tries to forget.`,
      ...forgotten,
    );
    if (account.disabledAt !== undefined) output.warn(say`${name} is disabled still`);
  });
}

/**
 * Deletes an account, once its name was typed, or with `--yes`.
 * @throws PosternError `input_needed` without a terminal and without `--yes`, before the store is opened; `cancelled`
 */
export async function userDeleteCommand(
  output: Output,
  typed: string,
  options: StoreOptions & ConfirmOptions,
): Promise<void> {
  const who = parseWho(typed);
  requireConfirmation(options);
  await withAudit(output, options, async (context) => {
    const { account } = await readPerson(context.barrier, who, context.now());
    const { id, identity: name } = account;
    const consequences = [
      say`This deletes the account ${name}, with its authenticators, recovery codes,`,
      say`sessions and devices. It cannot be undone. The audit log keeps what happened,`,
      say`without the name and the addresses.`,
    ];
    await confirmByTyping(output, options, { consequences, question: "Type the name to delete it:", word: name });
    // The account that was shown, not another one that has the name by now.
    await deletePerson(context, { name, account: id });
    output.result({ account: id, name, deleted: true }, say`The account ${name} is deleted.`);
  });
}
