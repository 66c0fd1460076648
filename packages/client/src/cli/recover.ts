import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { askNewPassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Token, TokenKind } from "@postern/shared/token";
import type { Environment, ServerChoice } from "../environment.js";
import { failedWith } from "../failed-with.js";
import type { OpenServer } from "../flows/open-server.js";
import { LoginPassword } from "../flows/prove-password.js";
import { resetFactors } from "../flows/reset-factors.js";
import { resetPassword } from "../flows/reset-password.js";
import { dropSession, keptSession } from "../session/session-file.js";
import { askCodeOf } from "./ask-code.js";
import { enrolmentDialogueOf } from "./enrolment.js";
import { deviceLookup, withConnections } from "./entering.js";
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
import { askToken, serverOfToken, tokenFrom } from "./token.js";

export interface RecoverOptions extends GlobalOptions {
  readonly tokenFile?: string;
  readonly passwordFile?: string;
  readonly newPasswordFile?: string;
  readonly code?: string;
}

/** What runs a recovery: where, with what token, and who is asked. */
interface Recovery {
  readonly environment: Environment;
  readonly choice: ServerChoice;
  readonly token: Token;
  readonly stdin: StdinLines | undefined;
  readonly options: RecoverOptions;
}

const kinds = ["password-reset", "factor-reset"] as const satisfies readonly TokenKind[];

/**
 * What a person does with a reset token of the operator's: the token itself says what it is for.
 * @throws PosternError `token_malformed`, `token_of_other_kind`, `token_invalid`; `usage` for an option that the token
 *   has no use for
 */
export async function recoverCommand(
  output: Output,
  given: string | undefined,
  options: RecoverOptions,
): Promise<void> {
  const environment = environmentOf(output, options);
  const { tokenFile } = options;
  requireInput(environment, tokenFile === undefined ? "the token" : undefined);
  const stdin = pipedLines();
  const token =
    tokenFile === undefined
      ? await askToken(environment, "Token of the operator", kinds)
      : await tokenFrom(output, tokenFile, { stdin, kinds });
  try {
    const choice = serverOfToken(serverChoiceOf(options), token);
    const recovery = { environment, choice, token, stdin, options };
    await (token.kind === "password-reset" ? recoverPassword(recovery, given) : recoverFactors(recovery, given));
  } finally {
    token.secret.fill(0);
  }
}

async function recoverPassword(recovery: Recovery, given: string | undefined): Promise<void> {
  const { environment, choice, token, stdin, options } = recovery;
  const { code, newPasswordFile } = options;
  refuseUseless({ "--password-file": options.passwordFile }, "this token sets a new password: none is asked for");
  const takesStdin = [options.tokenFile, newPasswordFile].includes("-");
  requireInput(environment, missingForPassword(given, options, takesStdin));
  const intro = say`The server is the one that the token names. Now a code of yours:`;
  const askCode = askCodeOf(environment, { code, stdin: takesStdin ? stdin : undefined }, intro);
  const scripted =
    newPasswordFile === undefined ? undefined : await passwordFrom(environment.output, newPasswordFile, stdin);
  const name = await nameFrom(environment, given);
  // No password proves the server here: an identity that vouches for another one is not enough.
  const reset = async (open: () => Promise<OpenServer>) => {
    const newPassword = async (identity: string) => new LoginPassword(await chosen(environment, identity, scripted));
    const done = await resetPassword(open, await open(), { name, token }, { newPassword, askCode });
    environment.output.result(
      { reset: "password", ...done },
      say`${bold("Password set.")} Your sessions have ended, and your devices are strangers`,
      say`until you log in on them again.`,
      ...loginLines(choice, done.name),
    );
    await forgetEnded(recovery, done.name);
  };
  await withConnections(environment, choice, reset, "other");
}

async function recoverFactors(recovery: Recovery, given: string | undefined): Promise<void> {
  const { environment, choice, token, stdin, options } = recovery;
  const { passwordFile, newPasswordFile, code } = options;
  const useless = { "--new-password-file": newPasswordFile, "--code": code };
  refuseUseless(
    useless,
    "this token replaces the authenticators: it takes the password, and the first code comes last",
  );
  requireInput(environment, given === undefined ? "the name" : passwordFile === undefined ? "the password" : undefined);
  const scripted = passwordFile === undefined ? undefined : await passwordFrom(environment.output, passwordFile, stdin);
  await withConnections(environment, choice, async (open) => {
    let server = await open();
    const name = await nameFrom(environment, given);
    const password = new LoginPassword(scripted ?? (await environment.prompter.password("Password")));
    if (server.rpc.ended.aborted) server = await open();
    const attempt = { name, password, token, deviceAt: deviceLookup(environment, choice, name) };
    const replaced = await resetFactors(server, attempt, enrolmentDialogueOf(environment, stdin));
    environment.output.result(
      { reset: "factors", ...replaced },
      say``,
      say`${bold("Authenticators replaced.")} The old ones and the old recovery codes are dead,`,
      say`and your sessions have ended.`,
      say``,
      ...recoveryCodeLines(replaced.recovery_codes),
      ...loginLines(choice, replaced.name),
    );
    await forgetEnded(recovery, replaced.name);
  });
}

/** @throws PosternError `usage` */
function refuseUseless(given: Readonly<Record<string, string | undefined>>, why: string): void {
  const useless = Object.keys(given).find((option) => given[option] !== undefined);
  if (useless !== undefined) throw new PosternError("usage", { detail: `${useless}: ${why}` });
}

function missingForPassword(
  name: string | undefined,
  { newPasswordFile, code }: RecoverOptions,
  takesStdin: boolean,
): string | undefined {
  if (name === undefined) return "the name";
  if (newPasswordFile === undefined) return "the new password";
  return code === undefined && !takesStdin ? "the code" : undefined;
}

async function chosen({ prompter, output }: Environment, identity: string, given: string | undefined): Promise<string> {
  const context = [identity];
  if (given === undefined) return askNewPassword(prompter, output, { message: "New password", context });
  const verdict = await assessPassword(given, { context });
  if (!verdict.ok) throw new PosternError(verdict.code);
  return given;
}

/** A session that this machine keeps of that person has ended with the rest. */
async function forgetEnded({ environment, choice }: Recovery, name: string): Promise<void> {
  const { paths } = environment;
  try {
    const kept = await keptSession(paths, choice.address);
    if (kept.name === name) await dropSession(paths, choice.address, kept);
  } catch (thrown) {
    if (!failedWith(thrown, "not_logged_in")) throw thrown;
  }
}

function loginLines(choice: ServerChoice, name: string): TerminalText[] {
  return [say``, say`Now log in: ${bold(`${commandFor(choice)} login ${name}`)}`];
}
