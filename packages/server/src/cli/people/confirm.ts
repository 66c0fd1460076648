import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import type { TerminalText } from "@postern/shared/terminal/terminal-text";

export interface ConfirmOptions {
  readonly input: boolean;
  readonly yes?: boolean;
}

/** What cannot be undone is asked for twice: nobody is deleted by a slip of the history key. `--yes` stands for it. */
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
