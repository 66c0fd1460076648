import { totpDefaults } from "@postern/shared/otp/parameters";
import { parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import { untilNextStep } from "@postern/shared/otp/totp";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../environment.js";
import { type AskCode, type LoggedIn, LoginPassword, login, type TypedCode } from "../flows/login.js";
import { openServer } from "../flows/open-server.js";
import { keepSession } from "../session/session-file.js";
import { localTime } from "./local-time.js";
import {
  environmentOf,
  type GlobalOptions,
  passwordFrom,
  pipedLines,
  requireInput,
  serverChoiceOf,
} from "./options.js";

export interface LoginOptions extends GlobalOptions {
  readonly passwordFile?: string;
  readonly code?: string;
}

/** Wrong codes that a person may type in one go. */
const CODE_TRIES = 3;

export async function loginCommand(output: Output, name: string | undefined, options: LoginOptions): Promise<void> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  requireInput(environment, missingOf(name, options));
  const stdin = pipedLines();
  const open = () => openServer(environment, choice);
  let server = await open();
  try {
    const typedName = name ?? (await environment.prompter.text("Name"));
    const password = new LoginPassword(await askPassword(environment, options, stdin));
    // Typing takes a person longer, now and then, than a server waits for a stranger.
    if (server.rpc.ended.aborted) server = await open();
    const askCode = askCodeOf(environment, options, stdin);
    const done = await login(open, server, { name: typedName, password, askCode });
    server = done.server;
    await keepSession(environment.paths, choice.address, { name: done.loggedIn.name, secret: done.loggedIn.secret });
    showLoggedIn(output, done.loggedIn);
  } finally {
    server.rpc.close();
  }
}

/** What a person has to be asked for. */
function missingOf(name: string | undefined, { passwordFile, code }: LoginOptions): string | undefined {
  if (name === undefined) return "the name";
  if (passwordFile === undefined) return "the password";
  return code === undefined && passwordFile !== "-" ? "the code" : undefined;
}

async function askPassword(
  { prompter, output }: Environment,
  { passwordFile }: LoginOptions,
  stdin: StdinLines | undefined,
): Promise<string> {
  return passwordFile === undefined ? prompter.password("Password") : passwordFrom(output, passwordFile, stdin);
}

function askCodeOf(environment: Environment, options: LoginOptions, stdin: StdinLines | undefined): AskCode {
  const { code, passwordFile } = options;
  if (code !== undefined) return once(async () => parseTyped(code));
  if (passwordFile === "-" && stdin !== undefined) return once(async () => parseTyped(await stdin.next()));
  let tries = 0;
  return async ({ refused }) => {
    if (refused) environment.output.note(say`That code was not accepted. A code works once: wait for the next one.`);
    else environment.output.note(say`The password is right, and the server has proved itself.`);
    tries += 1;
    return tries > CODE_TRIES ? undefined : askPerson(environment);
  };
}

/** A script gives one code: it is not tried again. */
function once(give: () => Promise<TypedCode>): AskCode {
  return async ({ refused }) => (refused ? undefined : give());
}

async function askPerson({ prompter, now }: Environment): Promise<TypedCode> {
  const seconds = Math.ceil(untilNextStep(now(), totpDefaults.period) / 1000);
  const validate = (text: string) =>
    isCode(text) || parseRecoveryCode(text) !== undefined
      ? undefined
      : "A code has 6 digits, a recovery code 25 characters";
  return parseTyped(await prompter.text(`Code (a new one comes in ${seconds} s):`, { validate }));
}

function parseTyped(text: string): TypedCode {
  if (parseRecoveryCode(text) !== undefined) return { factor: "recovery", code: text };
  return { factor: "totp", code: text.replaceAll(" ", "") };
}

const isCode = (text: string) => /^\d{6,8}$/.test(text.replaceAll(" ", ""));

function showLoggedIn(output: Output, loggedIn: LoggedIn): void {
  const { secret: _kept, ...facts } = loggedIn;
  const until = localTime(loggedIn.expires_at);
  output.result(facts, say`${bold("Login successful.")} You are ${loggedIn.name}, until ${until} at the latest.`);
  if (loggedIn.recovery_codes_left < 4) {
    output.warn(say`you have ${loggedIn.recovery_codes_left} recovery codes left`);
  }
}
