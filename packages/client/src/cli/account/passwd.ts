import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { askNewPassword, isSamePassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Environment, ServerChoice } from "../../environment.js";
import { failedWith } from "../../failed-with.js";
import { changePassword } from "../../flows/change-password.js";
import { LoginPassword } from "../../flows/prove-password.js";
import { keptSession } from "../../session/session-file.js";
import { askCodeOf } from "../ask-code.js";
import { checkStateFiles, deviceLookup, keepEntered, shownFacts, withConnections } from "../entering.js";
import { environmentOf, nameFrom, passwordFrom, pipedLines, requireInput, serverChoiceOf } from "../options.js";
import type { AccountOptions } from "./options.js";

export interface PasswdOptions extends AccountOptions {
  readonly passwordFile?: string;
  readonly newPasswordFile?: string;
}

/** Changes a password: the old one, the new one twice, and the code last. @throws PosternError `password_unchanged` */
export async function passwdCommand(output: Output, given: string | undefined, options: PasswdOptions): Promise<void> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  const known = given ?? (await keptName(environment, choice));
  requireInput(environment, missingOf(known, options));
  await checkStateFiles(environment);
  const stdin = pipedLines();
  const askCode = askCodeOf(environment, { code: options.code, stdin: takesStdin(options) ? stdin : undefined });
  const scripted = await passwordsFrom(output, options, stdin);
  await withConnections(environment, choice, async (open, moved) => {
    let server = await open();
    const name = await nameFrom(environment, known);
    const old = scripted.old ?? (await environment.prompter.password(`Password of ${name}`));
    if (server.rpc.ended.aborted) server = await open();
    const attempt = { name, password: new LoginPassword(old), deviceAt: deviceLookup(environment, choice, name) };
    const newPassword = async (identity: string) =>
      new LoginPassword(await newPasswordFor(environment, identity, old, scripted.new));
    const entered = await changePassword(open, server, attempt, { newPassword, askCode });
    await keepEntered(environment, choice, name, entered);
    output.result(
      shownFacts(entered.loggedIn, moved()),
      say`${bold("Password changed.")} This is a new session; your other sessions have ended,`,
      say`and other devices of yours are strangers until they log in again.`,
    );
  });
}

/** What a person has to be asked for. */
function missingOf(name: string | undefined, options: PasswdOptions): string | undefined {
  if (name === undefined) return "the name";
  if (options.passwordFile === undefined) return "the password";
  if (options.newPasswordFile === undefined) return "the new password";
  return options.code === undefined && !takesStdin(options) ? "the code" : undefined;
}

/** With `-` the code may be the line of standard input behind the passwords. */
function takesStdin({ passwordFile, newPasswordFile }: PasswdOptions): boolean {
  return passwordFile === "-" || newPasswordFile === "-";
}

async function passwordsFrom(
  output: Output,
  { passwordFile, newPasswordFile }: PasswdOptions,
  stdin: StdinLines | undefined,
): Promise<{ old: string | undefined; new: string | undefined }> {
  const read = async (file: string | undefined) =>
    file === undefined ? undefined : await passwordFrom(output, file, stdin);
  const old = await read(passwordFile);
  return { old, new: await read(newPasswordFile) };
}

async function newPasswordFor(
  { prompter, output }: Environment,
  identity: string,
  old: string,
  given: string | undefined,
): Promise<string> {
  const context = [identity];
  if (given === undefined) {
    output.note(say`The password is right, and the server has proved itself.`);
    return askNewPassword(prompter, output, { message: "New password", context, old });
  }
  if (isSamePassword(given, old)) throw new PosternError("password_unchanged");
  const verdict = await assessPassword(given, { context });
  if (!verdict.ok) throw new PosternError(verdict.code);
  return given;
}

/** Who is logged in here, if anybody. */
async function keptName({ paths }: Environment, { address }: ServerChoice): Promise<string | undefined> {
  try {
    return (await keptSession(paths, address)).name;
  } catch (thrown) {
    if (failedWith(thrown, "not_logged_in")) return undefined;
    throw thrown;
  }
}
