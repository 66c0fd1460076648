import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { typedAs } from "@postern/shared/terminal/command-name";
import { askNewPassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, drawn, say } from "@postern/shared/terminal/terminal-text";
import type { Environment, ServerChoice } from "../environment.js";
import { openServer } from "../flows/open-server.js";
import { type Enrolment, type RegisterDialogue, type Registered, register } from "../flows/register.js";
import { enrolmentScreen } from "../terminal/enrolment-screen.js";
import { DEFAULT_SERVER } from "./default-server.js";
import {
  environmentOf,
  type GlobalOptions,
  nameFrom,
  passwordFrom,
  pipedLines,
  requireInput,
  serverChoiceOf,
} from "./options.js";
import { parseDigits, withoutSpaces } from "./typed-code.js";

export interface RegisterOptions extends GlobalOptions {
  readonly passwordFile?: string;
}

export async function registerCommand(
  output: Output,
  given: string | undefined,
  options: RegisterOptions,
): Promise<void> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  requireInput(environment, missingOf(given, options));
  const stdin = pipedLines();
  const { passwordFile } = options;
  const password = passwordFile === undefined ? undefined : await passwordFrom(output, passwordFile, stdin);
  const name = await nameFrom(environment, given);
  const server = await openServer(environment, choice);
  try {
    const registered = await register(server, name, dialogueOf(environment, password, stdin));
    showRegistered(output, registered, choice);
  } finally {
    server.rpc.close();
  }
}

/** What a person has to be asked for; with a password file the first code is a line of standard input. */
function missingOf(name: string | undefined, { passwordFile }: RegisterOptions): string | undefined {
  if (name === undefined) return "the name";
  return passwordFile === undefined ? "the password" : undefined;
}

function dialogueOf(
  environment: Environment,
  given: string | undefined,
  stdin: StdinLines | undefined,
): RegisterDialogue {
  const { prompter, output } = environment;
  return {
    newPassword: async (identity, signal) => {
      if (given === undefined) {
        return askNewPassword(prompter, output, { message: "New password", context: [identity], signal });
      }
      const verdict = await assessPassword(given, { context: [identity] });
      if (!verdict.ok) throw new PosternError(verdict.code);
      return given;
    },
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
  { digits }: Enrolment,
  { refused, signal }: { refused: boolean; signal: AbortSignal },
): Promise<string> {
  const complaint = `A code has ${digits} digits`;
  if (stdin !== undefined) {
    if (refused) throw new PosternError("code_refused");
    const code = parseDigits(await stdin.next(signal), digits);
    if (code === undefined) throw new PosternError("usage", { detail: complaint });
    return code;
  }
  if (refused) output.note(say`That code was not right. Wait for the next one, and type that.`);
  const validate = (text: string) => (parseDigits(text, digits) === undefined ? complaint : undefined);
  const message = "Scan it with an authenticator app, then type the code it shows:";
  return withoutSpaces(await prompter.text(message, { validate, signal }));
}

function showRegistered(
  output: Output,
  { account, name, recovery_codes }: Registered,
  { address }: ServerChoice,
): void {
  const usual = [DEFAULT_SERVER, process.env["POSTERN_SERVER"]].includes(address.key);
  const postern = `${typedAs("postern", process.env)}${usual ? "" : ` --server ${address.key}`}`;
  output.result(
    { account, name, recovery_codes },
    say``,
    say`${bold("Registered")} as ${name}.`,
    say``,
    say`Your recovery codes. Each lets you in once without your authenticator.`,
    say`They are shown this one time: write them down, away from your password.`,
    say``,
    ...recovery_codes.map((code) => say`  ${code}`),
    say``,
    say`Now log in: ${bold(`${postern} login ${name}`)}`,
  );
}
