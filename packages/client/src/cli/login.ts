import { totpDefaults } from "@postern/shared/otp/parameters";
import { untilNextStep } from "@postern/shared/otp/totp";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Environment, ServerChoice } from "../environment.js";
import { type AskCode, type LoggedIn, LoginPassword, login, type TypedCode } from "../flows/login.js";
import { type OpenServer, openServer } from "../flows/open-server.js";
import { checkSessionFile, keepSession } from "../session/session-file.js";
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
import { parseTypedCode, requireTypedCode } from "./typed-code.js";

export interface LoginOptions extends GlobalOptions {
  readonly passwordFile?: string;
  readonly code?: string;
}

/** Wrong codes that a person may type in one go. */
const CODE_TRIES = 3;

export async function loginCommand(output: Output, given: string | undefined, options: LoginOptions): Promise<void> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  requireInput(environment, missingOf(given, options));
  await checkSessionFile(environment.paths);
  const stdin = pipedLines();
  const askCode = askCodeOf(environment, options, stdin);
  const { passwordFile } = options;
  const scripted = passwordFile === undefined ? undefined : await passwordFrom(output, passwordFile, stdin);
  const opened: OpenServer[] = [];
  const open = async () => {
    const server = await openServer(environment, choice);
    opened.push(server);
    return server;
  };
  try {
    let server = await open();
    const name = await nameFrom(environment, given);
    const password = new LoginPassword(scripted ?? (await environment.prompter.password("Password")));
    // Typing takes a person longer, now and then, than a server waits for a stranger.
    if (server.rpc.ended.aborted) server = await open();
    const done = await login(open, server, { name, password, askCode });
    await keep(environment, choice, done);
    showLoggedIn(output, done.loggedIn);
  } finally {
    for (const { rpc } of opened) rpc.close();
  }
}

/** A session that cannot be kept here must not live on over there. */
async function keep(
  { paths }: Environment,
  { address }: ServerChoice,
  { loggedIn, server }: { loggedIn: LoggedIn; server: OpenServer },
): Promise<void> {
  const { name, secret } = loggedIn;
  try {
    await keepSession(paths, address, { name, secret, fingerprint: server.identity });
  } catch (thrown) {
    await server.rpc.call("session.logout", {});
    throw thrown;
  }
}

/** What a person has to be asked for. */
function missingOf(name: string | undefined, { passwordFile, code }: LoginOptions): string | undefined {
  if (name === undefined) return "the name";
  if (passwordFile === undefined) return "the password";
  return code === undefined && passwordFile !== "-" ? "the code" : undefined;
}

function askCodeOf(environment: Environment, options: LoginOptions, stdin: StdinLines | undefined): AskCode {
  const { code, passwordFile } = options;
  if (code !== undefined) {
    const typed = requireTypedCode(code);
    return once(async () => typed);
  }
  if (passwordFile === "-" && stdin !== undefined) return once(async () => requireTypedCode(await stdin.next()));
  let tries = 0;
  return async ({ refused }) => {
    if (tries === CODE_TRIES) return undefined;
    tries += 1;
    const { output } = environment;
    if (refused) output.note(say`That code was not accepted. A code works once: wait for the next one.`);
    else output.note(say`The password is right, and the server has proved itself.`);
    return askPerson(environment);
  };
}

/** A script gives one code: it is not tried again. */
function once(give: () => Promise<TypedCode>): AskCode {
  return async ({ refused }) => (refused ? undefined : give());
}

async function askPerson({ prompter, now }: Environment): Promise<TypedCode> {
  const seconds = Math.ceil(untilNextStep(now(), totpDefaults.period) / 1000);
  const validate = (text: string) =>
    parseTypedCode(text) === undefined ? "A code has 6 digits, a recovery code 25 characters" : undefined;
  return requireTypedCode(await prompter.text(`Code (a new one comes in ${seconds} s):`, { validate }));
}

function showLoggedIn(output: Output, loggedIn: LoggedIn): void {
  const { secret: _kept, ...facts } = loggedIn;
  const until = localTime(loggedIn.expires_at);
  output.result(facts, say`${bold("Login successful.")} You are ${loggedIn.name}, until ${until} at the latest.`);
  if (loggedIn.recovery_codes_left < 4) {
    output.warn(say`you have ${loggedIn.recovery_codes_left} recovery codes left`);
  }
}
