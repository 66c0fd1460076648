import { PosternError } from "../errors.js";
import { assessPassword, type PasswordRefusal } from "../password-policy.js";
import type { Output } from "./output.js";
import type { Prompter } from "./prompts.js";
import { say } from "./terminal-text.js";

export interface NewPasswordQuestion {
  readonly message: string;
  /** Words that a guesser would try first: the name it is for. */
  readonly context: readonly string[];
  /** The one that it takes the place of. */
  readonly old?: string;
  readonly signal?: AbortSignal;
}

/**
 * Asks for a new password twice, until one satisfies the policy and both times were the same; tells how strong it is.
 * @throws as the prompter does.
 */
export async function askNewPassword(
  prompter: Prompter,
  output: Output,
  { message, context, old, ...interruptible }: NewPasswordQuestion,
): Promise<string> {
  const validate = async (password: string) => {
    if (old !== undefined && isSamePassword(old, password)) return new PosternError("password_unchanged").message;
    const verdict = await assessPassword(password, { context });
    if (verdict.ok) output.note(say`strength: ${verdict.strength}`);
    return verdict.ok ? undefined : whatIsWrong(verdict);
  };
  for (;;) {
    const password = await prompter.password(message, { validate, ...interruptible });
    if ((await prompter.password("Once more", interruptible)) === password) return password;
    output.note(say`${new PosternError("password_mismatch").message}; choose it anew`);
  }
}

/** Two keyboards may compose an accent differently. */
export function isSamePassword(one: string, other: string): boolean {
  return one.normalize("NFC") === other.normalize("NFC");
}

function whatIsWrong({ code, advice }: { code: PasswordRefusal; advice: readonly string[] }): string {
  return [new PosternError(code).message, ...advice].join("; ");
}
