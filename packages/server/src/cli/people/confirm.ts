import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import type { TerminalText } from "@postern/shared/terminal/terminal-text";

export interface ConfirmOptions {
  readonly input: boolean;
  readonly yes?: boolean;
}

/**
 * Before the store is opened: nobody types the admin password only to be told that a question would follow.
 * @throws PosternError `input_needed` where nobody can be asked, and there is no `--yes`
 */
export function requireConfirmation({ input, yes }: ConfirmOptions): void {
  const interactive = input && process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (yes !== true && !interactive) throw new PosternError("input_needed", { detail: "a confirmation (--yes)" });
}

/** Asks whether to go on, unless `--yes` says so. @throws PosternError `cancelled` after a no */
export async function confirm(
  output: Output,
  { yes }: ConfirmOptions,
  { consequences, question }: { readonly consequences: readonly TerminalText[]; readonly question: string },
): Promise<void> {
  if (yes === true) return;
  output.note(...consequences);
  if (!(await createPrompter().confirm(question, false))) throw new PosternError("cancelled");
}

/** The same for what cannot be undone, by a word that is typed: nobody goes on by a slip of the history key. */
export async function confirmByTyping(
  output: Output,
  { input, yes }: ConfirmOptions,
  { consequences, question, word }: { consequences: readonly TerminalText[]; question: string; word: string },
): Promise<void> {
  if (yes === true) return;
  output.note(...consequences);
  const typed = await createPrompter({ noInput: !input }).text(question);
  if (typed.trim() !== word) throw new PosternError("cancelled");
}
