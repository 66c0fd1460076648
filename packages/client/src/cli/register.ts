import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { askNewPassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Environment, ServerChoice } from "../environment.js";
import { openServer } from "../flows/open-server.js";
import { type RegisterDialogue, type Registered, register } from "../flows/register.js";
import { enrolmentDialogueOf } from "./enrolment.js";
import {
  environmentOf,
  type GlobalOptions,
  nameFrom,
  passwordFrom,
  pipedLines,
  requireInput,
  serverChoiceOf,
} from "./options.js";
import { commandFor } from "./own-command.js";
import { recoveryCodeLines } from "./recovery-code-lines.js";

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
    ...enrolmentDialogueOf(environment, stdin),
  };
}

function showRegistered(output: Output, { account, name, recovery_codes }: Registered, choice: ServerChoice): void {
  output.result(
    { account, name, recovery_codes },
    say``,
    say`${bold("Registered")} as ${name}.`,
    say``,
    ...recoveryCodeLines(recovery_codes),
    say``,
    say`Now log in: ${bold(`${commandFor(choice)} login ${name}`)}`,
  );
}
