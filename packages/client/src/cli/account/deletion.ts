import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { giveCode } from "../../flows/give-code.js";
import { type LiveSession, withSession } from "../../flows/live-session.js";
import { nothingKnown } from "../../flows/step-up.js";
import { dropDevice } from "../../session/device-file.js";
import { dropSession } from "../../session/session-file.js";
import { askCodeOf } from "../ask-code.js";
import { sessionUseOf } from "../kept-session.js";
import { environmentOf, requireInput } from "../options.js";
import { deviceHere } from "./devices.js";
import { type AccountOptions, missingYes } from "./options.js";

/**
 * Deletes the account: a person types its name, and a code is always needed, however fresh the session. Then this
 * machine keeps nothing of it either.
 */
export async function accountDeleteCommand(output: Output, options: AccountOptions): Promise<void> {
  const environment = environmentOf(output, options);
  const needsCode = options.code === undefined ? "the code" : undefined;
  requireInput(environment, missingYes(options) ?? needsCode);
  const intro = say`Deleting an account always takes a code.`;
  const askCode = askCodeOf(environment, { code: options.code }, intro);
  const use = await sessionUseOf(output, options);
  await withSession(use, async (session) => {
    if (options.yes !== true) await typeName(session);
    const otherwise = new PosternError("input_needed", { detail: "the code" });
    await giveCode(askCode, { about: nothingKnown, otherwise }, (code) => session.call("account.delete", code));
    const { paths } = environment;
    const { address } = use.choice;
    await dropSession(paths, address, use.kept);
    const device = await deviceHere(session);
    if (device !== undefined) await dropDevice(paths, address, device.device);
    output.result({ deleted: true, name: session.facts.name }, say`The account ${session.facts.name} is deleted.`);
  });
}

async function typeName({ environment, choice, facts }: LiveSession): Promise<void> {
  const { output, prompter } = environment;
  output.note(
    say`This deletes the account ${facts.name} at ${choice.address.key}, with its authenticators,`,
    say`recovery codes and sessions. It cannot be undone.`,
  );
  const validate = (typed: string) => (typed === facts.name ? undefined : "That is not its name; Ctrl-C ends this");
  await prompter.text("Type its name to delete it:", { validate });
}
