import { say } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../../environment.js";
import type { AskCode } from "../../flows/give-code.js";
import { askCodeOf } from "../ask-code.js";
import type { AccountOptions } from "./options.js";

/** Whom a fresh code is asked of, where a command turns out to need one. */
export function stepUpCodeOf(environment: Environment, { code }: Pick<AccountOptions, "code"> = {}): AskCode {
  return askCodeOf(environment, { code }, say`This needs a fresh code: your last one is older than five minutes.`);
}
