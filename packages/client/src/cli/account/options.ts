import { say } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../../environment.js";
import type { GlobalOptions } from "../options.js";

/** The options of the commands that look after an account. */
export interface AccountOptions extends GlobalOptions {
  readonly code?: string;
  readonly yes?: boolean;
  readonly others?: boolean;
}

/**
 * Whether to go on: by `--yes`, or by a person's answer. A no is nobody's failure: it is said, and nothing else happens.
 */
export async function isConfirmed(
  { prompter, output }: Environment,
  { yes }: AccountOptions,
  question: string,
): Promise<boolean> {
  if (yes === true || (await prompter.confirm(question, false))) return true;
  output.result({ changed: false }, say`Nothing was changed.`);
  return false;
}

/** What has to be asked for without `--yes`. */
export function missingYes({ yes }: AccountOptions): string | undefined {
  return yes === true ? undefined : "a confirmation (--yes)";
}
