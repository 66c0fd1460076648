import type { CodeParams } from "@postern/shared/messages";
import { untilNextStep } from "@postern/shared/otp/totp";
import { duration } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../environment.js";
import type { AskCode, CodeQuestion } from "../flows/give-code.js";
import { parseTypedCode, requireTypedCode } from "./typed-code.js";

/** Where a code comes from that is not asked of a person. */
export interface GivenCode {
  /** As `--code` gave it. */
  readonly code: string | undefined;
  /** Standard input, where its next line is the code. */
  readonly stdin?: StdinLines | undefined;
}

/** Wrong codes that a person may type in one go. */
const CODE_TRIES = 3;

/**
 * Asks for codes: a person three times, after `intro`; a script once; nobody where there is neither.
 * @throws PosternError `usage` for a `--code` that cannot be one
 */
export function askCodeOf(environment: Environment, { code, stdin }: GivenCode, intro?: TerminalText): AskCode {
  if (code !== undefined) {
    const typed = requireTypedCode(code);
    return once(async () => typed);
  }
  if (stdin !== undefined) return once(async () => requireTypedCode(await stdin.next()));
  if (!environment.interactive) return async () => undefined;
  let tries = 0;
  return async (question) => {
    tries = question.refusal === undefined ? 1 : tries + 1;
    if (tries > CODE_TRIES) return undefined;
    if (question.refusal !== undefined) environment.output.note(...whyRefused(question));
    else if (intro !== undefined) environment.output.note(intro);
    return askPerson(environment, question);
  };
}

/** A script gives one code: it is not tried again. */
function once(give: () => Promise<CodeParams>): AskCode {
  return async ({ refusal }) => (refusal === undefined ? give() : undefined);
}

/** `unavailable`, to a person who has just typed a code. */
export const notLookedAt: readonly TerminalText[] = [
  say`The server cannot reach its database, and has not looked at that code.`,
  say`Give it again in a moment: the server goes on when the database is back.`,
];

function whyRefused({ refusal, factors }: CodeQuestion): readonly TerminalText[] {
  if (refusal?.code === "unavailable") return notLookedAt;
  const behind = refusal?.clockBehind;
  return [
    say`That code was not accepted. A code works once: wait for the next one.`,
    ...(behind === undefined ? [] : [say`Your device's clock is about ${duration(behind)} behind.`]),
    ...(factors.includes("hotp") ? [say`If your device counts, it may have run ahead: type two codes in a row.`] : []),
  ];
}

async function askPerson({ prompter, now }: Environment, { period }: CodeQuestion): Promise<CodeParams> {
  const wait = period === undefined ? undefined : Math.ceil(untilNextStep(now(), period) / 1000);
  const validate = (text: string) =>
    parseTypedCode(text) === undefined ? "A code has 6 to 8 digits, a recovery code 25 characters" : undefined;
  const message = wait === undefined ? "Code:" : `Code (a new one comes in ${wait} s):`;
  return requireTypedCode(await prompter.text(message, { validate }));
}
