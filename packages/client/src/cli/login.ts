import { parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../environment.js";
import type { AskCode } from "../flows/give-code.js";
import { LiveSession } from "../flows/live-session.js";
import { type LoggedIn, login } from "../flows/login.js";
import { LoginPassword } from "../flows/prove-password.js";
import type { PinMove } from "../flows/succession.js";
import { askCodeOf } from "./ask-code.js";
import { checkStateFiles, deviceLookup, keepEntered, shownFacts, withConnections } from "./entering.js";
import { localTime } from "./local-time.js";
import {
  environmentOf,
  type GlobalOptions,
  nameFrom,
  passwordFrom,
  pipedLines,
  requireInput,
  serverChoiceOf,
} from "./options.js";

export interface LoginOptions extends GlobalOptions {
  readonly passwordFile?: string;
  readonly code?: string;
}

export async function loginCommand(output: Output, given: string | undefined, options: LoginOptions): Promise<void> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  requireInput(environment, missingOf(given, options));
  await checkStateFiles(environment);
  const stdin = pipedLines();
  const { code, passwordFile } = options;
  const intro = say`The password is right, and the server has proved itself.`;
  const askCode = remembering(askCodeOf(environment, { code, stdin: passwordFile === "-" ? stdin : undefined }, intro));
  const scripted = passwordFile === undefined ? undefined : await passwordFrom(output, passwordFile, stdin);
  await withConnections(environment, choice, async (open, moved) => {
    let server = await open();
    const name = await nameFrom(environment, given);
    const password = new LoginPassword(scripted ?? (await environment.prompter.password("Password")));
    // Typing takes a person longer, now and then, than a server waits for a stranger.
    if (server.rpc.ended.aborted) server = await open();
    const deviceAt = deviceLookup(environment, choice, name);
    const entered = await login(open, server, { name, password, deviceAt, askCode: askCode.ask });
    const kept = await keepEntered(environment, choice, name, entered);
    showLoggedIn(output, entered.loggedIn, moved());
    if (!askCode.wasRecoveryCode()) return warnOfFew(output, entered.loggedIn);
    output.warn(say`that recovery code is used up; you have ${entered.loggedIn.recovery_codes_left} left`);
    const { afterLoss, offerAuthenticator } = await import("./account/factors.js");
    const session = LiveSession.begun({ environment, choice, kept }, entered.server, entered.loggedIn);
    if (typesCodes(environment, options)) await offerAuthenticator(session);
    else if (!output.json) output.note(...afterLoss(choice));
  });
}

/** What a person has to be asked for. */
function missingOf(name: string | undefined, { passwordFile, code }: LoginOptions): string | undefined {
  if (name === undefined) return "the name";
  if (passwordFile === undefined) return "the password";
  return code === undefined && passwordFile !== "-" ? "the code" : undefined;
}

/** Whether a person typed the code here, who can be asked something further. */
function typesCodes({ interactive, output }: Environment, { code }: LoginOptions): boolean {
  return interactive && !output.json && code === undefined;
}

/** Notes whether the code that was given last was a recovery code. */
function remembering(askCode: AskCode): { ask: AskCode; wasRecoveryCode: () => boolean } {
  let last = "";
  const ask: AskCode = async (question) => {
    const code = await askCode(question);
    last = code?.code ?? "";
    return code;
  };
  return { ask, wasRecoveryCode: () => parseRecoveryCode(last) !== undefined };
}

function showLoggedIn(output: Output, loggedIn: LoggedIn, moved: PinMove | undefined): void {
  const until = localTime(loggedIn.expires_at);
  output.result(
    shownFacts(loggedIn, moved),
    say`${bold("Login successful.")} You are ${loggedIn.name}, until ${until} at the latest.`,
  );
}

function warnOfFew(output: Output, { recovery_codes_left: left }: LoggedIn): void {
  if (left < 4) output.warn(say`you have ${left} recovery codes left`);
}
