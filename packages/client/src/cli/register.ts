import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { typedAs } from "@postern/shared/terminal/command-name";
import { askNewPassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, drawn, say } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../environment.js";
import { openServer } from "../flows/open-server.js";
import { type Enrolment, type RegisterDialogue, type Registered, register } from "../flows/register.js";
import { enrolmentScreen } from "../terminal/enrolment-screen.js";
import {
  environmentOf,
  type GlobalOptions,
  passwordFrom,
  pipedLines,
  requireInput,
  serverChoiceOf,
} from "./options.js";

export interface RegisterOptions extends GlobalOptions {
  readonly passwordFile?: string;
}

export async function registerCommand(
  output: Output,
  name: string | undefined,
  options: RegisterOptions,
): Promise<void> {
  const environment = environmentOf(output, options);
  requireInput(environment, missingOf(name, options));
  const server = await openServer(environment, serverChoiceOf(options));
  try {
    const dialogue = dialogueOf(environment, name, options);
    showRegistered(output, await register(server, dialogue));
  } finally {
    server.rpc.close();
  }
}

/** What a person has to be asked for; with a password file the first code is a line of standard input. */
function missingOf(name: string | undefined, { passwordFile }: RegisterOptions): string | undefined {
  if (name === undefined) return "the name";
  return passwordFile === undefined ? "the password" : undefined;
}

/** With a password file the rest is scripted too: the first code is a line of standard input. */
function dialogueOf(environment: Environment, name: string | undefined, options: RegisterOptions): RegisterDialogue {
  const { prompter, output, window } = environment;
  const stdin = pipedLines();
  return {
    name: async () => name ?? (await prompter.text("Name")),
    newPassword: async (identity) => {
      if (options.passwordFile === undefined) {
        return askNewPassword(prompter, output, { message: "New password", context: [identity] });
      }
      const password = await passwordFrom(output, options.passwordFile, stdin);
      const verdict = await assessPassword(password, { context: [identity] });
      if (!verdict.ok) throw new PosternError(verdict.code);
      return password;
    },
    showEnrolment: ({ uri, secret }) => {
      output.result({ uri, secret }, drawn(enrolmentScreen({ uri, secret, ...window() })));
    },
    firstCode: (enrolment, state) => firstCode(environment, stdin, enrolment, state),
  };
}

async function firstCode(
  { prompter, output }: Environment,
  stdin: StdinLines | undefined,
  { digits }: Enrolment,
  { refused, signal }: { refused: boolean; signal: AbortSignal },
): Promise<string> {
  if (stdin !== undefined) {
    if (refused) throw new PosternError("code_refused");
    return withoutSpaces(await stdin.next(signal));
  }
  if (refused) output.note(say`That code was not right. Wait for the next one, and type that.`);
  const isCode = (text: string) => new RegExp(`^\\d{${digits}}$`).test(withoutSpaces(text));
  const validate = (text: string) => (isCode(text) ? undefined : `A code has ${digits} digits`);
  const message = "Scan it with an authenticator app, then type the code it shows:";
  return withoutSpaces(await prompter.text(message, { validate, signal }));
}

const withoutSpaces = (text: string) => text.replaceAll(" ", "");

function showRegistered(output: Output, { account, name, recovery_codes }: Registered): void {
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
    say`Now log in: ${bold(`${typedAs("postern", process.env)} login ${name}`)}`,
  );
}
