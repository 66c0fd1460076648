import { PosternError } from "@postern/shared/errors";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { drawn, say } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../environment.js";
import type { Enrolment, EnrolmentDialogue } from "../flows/enrol.js";
import { enrolmentScreen } from "../terminal/enrolment-screen.js";
import { notLookedAt } from "./ask-code.js";
import { parseDigits, withoutSpaces } from "./typed-code.js";

/** The dialogue of an enrolment: with a person, or where standard input is piped, with a line of that. */
export function enrolmentDialogueOf(environment: Environment, stdin: StdinLines | undefined): EnrolmentDialogue {
  return {
    showEnrolment: (enrolment) => showEnrolment(environment, enrolment),
    firstCode: (enrolment, state) => firstCode(environment, stdin, enrolment, state),
  };
}

/** On the terminal, wherever that is: with stdout in a file a person would be asked to scan what they cannot see. */
function showEnrolment({ output, window }: Environment, { uri, secret }: Enrolment): void {
  const screen = drawn(enrolmentScreen({ uri, secret, ...window() }));
  const elsewhere = process.stdout.isTTY !== true && process.stderr.isTTY === true;
  if (elsewhere && !output.json) output.note(screen);
  else output.result({ uri, secret }, screen);
}

async function firstCode(
  { prompter, output }: Environment,
  stdin: StdinLines | undefined,
  { kind, digits }: Enrolment,
  { refusal, signal }: { refusal: PosternError | undefined; signal: AbortSignal },
): Promise<string> {
  const complaint = `A code has ${digits} digits`;
  if (stdin !== undefined) {
    if (refusal !== undefined) throw refusal;
    const code = parseDigits(await stdin.next(signal), digits);
    if (code === undefined) throw new PosternError("usage", { detail: complaint });
    return code;
  }
  if (refusal?.code === "unavailable") output.note(...notLookedAt);
  else if (refusal !== undefined) {
    const next = kind === "hotp" ? "Have the app make another one" : "Wait for the next one";
    output.note(say`That code was not right. ${next}, and type that.`);
  }
  const validate = (text: string) => (parseDigits(text, digits) === undefined ? complaint : undefined);
  const message = "Scan it with an authenticator app, then type the code it shows:";
  return withoutSpaces(await prompter.text(message, { validate, signal }));
}
