import { PosternError } from "@postern/shared/errors";
import type { CodeParams, Params, Result } from "@postern/shared/messages";
import { failedWith } from "../failed-with.js";
import { type AskCode, giveCode } from "./give-code.js";
import type { OpenServer } from "./open-server.js";
import { type LoginPassword, type PasswordAttempt, type PasswordProved, provePassword } from "./prove-password.js";

export type LoggedIn = Result<"login.code">;

/** A session that begins, and the connection on which it does. */
export interface Entered {
  readonly loggedIn: LoggedIn;
  readonly server: OpenServer;
}

/** Connects to the same server once more. */
export type Reopen = () => Promise<OpenServer>;

/**
 * A whole login. A person may take longer over the code than the server waits: then the connection is made anew, and
 * the server proves itself anew, before the code is sent.
 * @throws PosternError as `provePassword`; `code_refused` when `askCode` has none left to give
 */
export async function login(
  reopen: Reopen,
  first: OpenServer,
  { askCode, ...attempt }: PasswordAttempt & { askCode: AskCode },
): Promise<Entered> {
  const { password } = attempt;
  const anew = async (server: OpenServer) => {
    const proved = await provePassword(server, attempt);
    // While the person types the code. Whether it worked out is looked at when there is one.
    if (proved.restretch !== undefined) password.stretch(proved.salt, proved.restretch).catch(() => undefined);
    return proved;
  };
  const proved = await anew(first);
  return enterByCode({ proved, anew: async () => anew(await reopen()), askCode }, async (now, code) => {
    const restretched = await restretch(password, now);
    return now.server.rpc.call("login.code", { ...code, ...restretched });
  });
}

export interface ByCode {
  readonly proved: PasswordProved;
  /** For a connection that has ended: another one, with the password proved on it. */
  readonly anew: () => Promise<PasswordProved>;
  readonly askCode: AskCode;
}

/** The second half of a login, and of a password change: `call` sends the code on a connection that still stands. */
export async function enterByCode(
  { proved, anew, askCode }: ByCode,
  call: (proved: PasswordProved, code: CodeParams) => Promise<LoggedIn>,
): Promise<Entered> {
  let now = proved;
  const loggedIn = await giveCode(
    askCode,
    { about: () => ({ factors: now.factors, period: now.period }), otherwise: new PosternError("code_refused") },
    async (code) => {
      if (now.server.rpc.ended.aborted) now = await anew();
      return call(now, code);
    },
  );
  return { loggedIn, server: now.server };
}

/**
 * The verifier that the server asks for, of the same password and higher parameters. A machine without the memory for
 * it logs in as before.
 */
async function restretch(
  password: LoginPassword,
  proved: PasswordProved,
): Promise<Pick<Params<"login.code">, "restretched">> {
  if (proved.restretch === undefined) return {};
  try {
    return { restretched: await password.verifier(proved, proved.restretch) };
  } catch (thrown) {
    if (failedWith(thrown, "memory_short")) return {};
    throw thrown;
  }
}
