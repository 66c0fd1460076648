import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { deleteCallback } from "../../services/challenges/callbacks.js";
import { type DeadLetter, deadLetters, dropDead, retryDead } from "../../services/challenges/dead-letters.js";
import type { AuditContext } from "../../services/context.js";
import { withAudit } from "../audit.js";
import { type ConfirmOptions, confirm, requireConfirmation } from "../people/confirm.js";
import type { StoreOptions } from "../unseal.js";
import { type DeadOptions, deadFilterOf, resolveCallback } from "./list.js";

/**
 * Deletes a callback and its messages, after asking, or with `--yes`.
 * @throws PosternError `input_needed` without a terminal and without `--yes`, before the store is opened; `cancelled`;
 *   `id_unknown`; `usage` when several ids begin so
 */
export async function callbackDeleteCommand(
  output: Output,
  typed: string,
  options: StoreOptions & ConfirmOptions,
): Promise<void> {
  requireConfirmation(options);
  await withAudit(output, options, async (context) => {
    const { callback, waiting, dead } = await resolveCallback(context, typed);
    const { id, name, application } = callback;
    const consequences = [
      say`${id}  ${name}`,
      say`is told nothing any more, and nor is what ${waiting} messages that wait`,
      say`and ${dead} dead ones say of the challenges of`,
      say`  ${application}`,
    ];
    await confirm(output, options, { consequences, question: "Delete this callback?" });
    const dropped = await deleteCallback(context, callback);
    output.result({ id, deleted: true, dropped }, say`The callback ${name} is deleted, with ${counted(dropped)}.`);
  });
}

interface ChoiceOptions extends DeadOptions {
  readonly all?: boolean;
}

/** @throws PosternError `id_unknown`, `usage` */
export async function deadRetryCommand(
  output: Output,
  typed: string | undefined,
  options: ChoiceOptions,
): Promise<void> {
  requireChoice(typed, options);
  await withAudit(output, options, async (context) => {
    const retried = await retryDead(context, await chosenOf(context, typed, options));
    output.result({ retried }, say`To be tried again: ${counted(retried)}.`);
  });
}

/** @throws PosternError `input_needed`, `cancelled`, `id_unknown`, `usage` */
export async function deadDropCommand(
  output: Output,
  typed: string | undefined,
  options: ChoiceOptions & ConfirmOptions,
): Promise<void> {
  requireChoice(typed, options);
  requireConfirmation(options);
  await withAudit(output, options, async (context) => {
    const count = await countOf(await chosenOf(context, typed, options));
    if (count > 0) {
      const consequences = [say`Nobody will be told what ${counted(count)} would have said.`];
      await confirm(output, options, { consequences, question: "Delete for good?" });
    }
    const dropped = await dropDead(context, await chosenOf(context, typed, options));
    output.result({ dropped }, say`Deleted: ${counted(dropped)}.`);
  });
}

const counted = (count: number) => (count === 1 ? "1 message" : `${count} messages`);

function requireChoice(typed: string | undefined, { all = false }: ChoiceOptions): void {
  if ((typed === undefined) === all) return;
  throw new PosternError("usage", { detail: "either the id of one, or --all" });
}

/** One by its id, or all that pass: those are read as they are needed. */
async function chosenOf(
  context: AuditContext,
  typed: string | undefined,
  options: ChoiceOptions,
): Promise<Iterable<DeadLetter> | AsyncIterable<DeadLetter>> {
  const letters = deadLetters(context, { ...(await deadFilterOf(context, options)), challenge: typed });
  if (typed === undefined) return letters;
  const [found, another] = await firstOf(letters, 2);
  if (typed === "" || found === undefined) throw new PosternError("id_unknown");
  if (another !== undefined) throw new PosternError("usage", { detail: "several ids begin so: give more of it" });
  return [found];
}

async function firstOf(letters: AsyncIterable<DeadLetter>, count: number): Promise<DeadLetter[]> {
  const first: DeadLetter[] = [];
  for await (const letter of letters) {
    first.push(letter);
    if (first.length === count) break;
  }
  return first;
}

async function countOf(letters: Iterable<DeadLetter> | AsyncIterable<DeadLetter>): Promise<number> {
  let count = 0;
  for await (const _letter of letters) count += 1;
  return count;
}
