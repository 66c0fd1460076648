import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { parseWho, readPerson } from "../../services/people.js";
import { deletePerson, disablePerson, enablePerson, unlockPerson } from "../../services/people-care.js";
import { withAudit } from "../audit.js";
import type { StoreOptions } from "../unseal.js";
import { type ConfirmOptions, confirmByTyping } from "./confirm.js";

/** @throws PosternError `user_unknown`, `name_invalid`: as all of these */
export async function userDisableCommand(output: Output, typed: string, options: StoreOptions): Promise<void> {
  const who = parseWho(typed);
  await withAudit(output, options, async (context) => {
    const { account, changed, ended } = await disablePerson(context, who);
    const { id, identity: name } = account;
    const already = account.disabledAt !== undefined;
    output.result(
      { account: id, name, disabled: true, changed, ended },
      already ? say`${name} was disabled already.` : say`${name} is disabled. ${sessions(ended)}`,
    );
  });
}

function sessions(ended: number): string {
  if (ended === 0) return "No session was open.";
  return ended === 1 ? "One session was ended." : `${ended} sessions were ended.`;
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
    const { account, changed, password, codes, devices } = await unlockPerson(context, who);
    const { id, identity: name } = account;
    const of = [
      ...(password ? ["wrong passwords of strangers"] : []),
      ...(codes ? ["wrong codes of strangers"] : []),
      ...(devices > 0 ? [`wrong tries on ${devices === 1 ? "one known device" : `${devices} known devices`}`] : []),
    ];
    output.result(
      { account: id, name, changed, passwords: password, codes, devices },
      changed ? say`${name} is unlocked. Forgotten: ${of.join(", ")}.` : say`${name} has no wrong tries to forget.`,
    );
  });
}

/** @throws PosternError `input_needed` without a terminal and without `--yes`; `cancelled` when another name is typed */
export async function userDeleteCommand(
  output: Output,
  typed: string,
  options: StoreOptions & ConfirmOptions,
): Promise<void> {
  const who = parseWho(typed);
  await withAudit(output, options, async (context) => {
    const { account } = await readPerson(context.barrier, who, context.now());
    const { id, identity: name } = account;
    await confirmByTyping(output, options, {
      consequences: [
        say`${name} loses the account with its authenticators, sessions and devices, for good.`,
        say`The audit log keeps what happened, without the name and the addresses.`,
      ],
      question: "Type the name to delete it",
      word: name,
    });
    // The account that was shown, not another one that has the name by now.
    await deletePerson(context, { account: id });
    output.result({ account: id, name, deleted: true }, say`${name} is deleted.`);
  });
}
