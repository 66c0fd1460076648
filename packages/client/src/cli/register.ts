import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { askNewPassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Token } from "@postern/shared/token";
import type { Environment, ServerChoice } from "../environment.js";
import { type OpenServer, openServer } from "../flows/open-server.js";
import { LoginPassword } from "../flows/prove-password.js";
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
import { askToken, requireToken, serverOfToken, tokenFrom } from "./token.js";

export interface RegisterOptions extends GlobalOptions {
  readonly passwordFile?: string;
  readonly invite?: string;
  readonly inviteFile?: string;
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
  const invite = await inviteFrom(output, options, stdin);
  const { passwordFile } = options;
  const password = passwordFile === undefined ? undefined : await passwordFrom(output, passwordFile, stdin);
  const name = await nameFrom(environment, given);
  const invited = await openInvited(environment, choice, invite);
  try {
    const registrant = { name, invite: invited.invite };
    const registered = await register(invited.server, registrant, dialogueOf(environment, password, stdin));
    showRegistered(output, registered, choice);
  } finally {
    invited.server.rpc.close();
    invited.invite?.secret.fill(0);
  }
}

const kinds = ["invite"] as const;

/** The invite that was given. Before the password it is the first line of standard input, where both are `-`. */
async function inviteFrom(
  output: Output,
  { invite, inviteFile }: RegisterOptions,
  stdin: StdinLines | undefined,
): Promise<Token | undefined> {
  if (invite !== undefined && inviteFile !== undefined) {
    throw new PosternError("usage", { detail: "--invite and --invite-file say the same: give one of them" });
  }
  if (inviteFile !== undefined) return tokenFrom(output, inviteFile, { stdin, kinds });
  return invite === undefined ? undefined : requireToken(invite, kinds);
}

/** Connects by an invite; where the server takes no one without, a person is asked for theirs, and it counts likewise. */
async function openInvited(
  environment: Environment,
  choice: ServerChoice,
  given: Token | undefined,
): Promise<{ server: OpenServer; invite: Token | undefined }> {
  const open = (invite: Token) => openServer(environment, serverOfToken(choice, invite));
  if (given !== undefined) return { server: await open(given), invite: given };
  const server = await openServer(environment, choice);
  if (server.greeting.registration !== "invite" || !environment.interactive) return { server, invite: undefined };
  server.rpc.close();
  environment.output.note(say`This server takes registrations by invite only.`);
  const invite = await askToken(environment, "Your invite", kinds);
  return { server: await open(invite), invite };
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
        const asked = { message: "New password", context: [identity], signal };
        return new LoginPassword(await askNewPassword(prompter, output, asked));
      }
      const verdict = await assessPassword(given, { context: [identity] });
      if (!verdict.ok) throw new PosternError(verdict.code);
      return new LoginPassword(given);
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
