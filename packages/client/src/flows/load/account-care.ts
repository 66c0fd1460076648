import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { hotpCode } from "@postern/shared/otp/hotp";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { failedWith } from "../../failed-with.js";
import { addFactor } from "../add-factor.js";
import type { Enrolment, EnrolmentDialogue } from "../enrol.js";
import { LiveSession, type SessionUse } from "../live-session.js";
import { login, type Reopen } from "../login.js";
import { openServer } from "../open-server.js";
import { LoginPassword } from "../prove-password.js";
import { register } from "../register.js";
import { LoadAccount } from "./load-account.js";

/** The server that load is put on, and what it is spoken to with. */
export interface LoadTarget extends Omit<SessionUse, "kept"> {
  readonly wait: (seconds: number) => Promise<void>;
}

/**
 * Registers as anybody does, and logs in with a recovery code, which needs no waiting for a next code, to add an
 * authenticator that counts.
 * @throws PosternError as `register`, `login` and `addFactor`
 */
export async function makeAccount(target: LoadTarget, name: string): Promise<LoadAccount> {
  const { environment, choice } = target;
  const password = new LoginPassword(randomBytes(24).toString("base64url"));
  const shown: Enrolment[] = [];
  const dialogue = app(shown, environment.now);
  const server = await openServer(environment, choice, "login");
  try {
    const newPassword = async () => password;
    const { recovery_codes } = await register(server, { name, invite: undefined }, { ...dialogue, newPassword });
    const codes = recovery_codes.map((code) => ({ code }));
    const attempt = { name, password, askCode: async () => codes.shift() };
    const { loggedIn } = await patiently(target, () => login(nowhere, server, attempt));
    const kept = { name, secret: loggedIn.secret, fingerprint: server.identity };
    const session = LiveSession.begun({ ...target, kept }, server, loggedIn);
    await addFactor(session, { kind: "hotp" }, { ...dialogue, askCode: async () => undefined });
    const authenticator = shown.find(({ kind }) => kind === "hotp");
    if (authenticator === undefined) throw new PosternError("bug", { detail: "no authenticator was shown" });
    return new LoadAccount({ name, password, kept, device: loggedIn.new_device, authenticator });
  } finally {
    server.rpc.close();
  }
}

/** An authenticator app that nobody looks at. */
function app(shown: Enrolment[], now: () => number): EnrolmentDialogue {
  return {
    showEnrolment: (enrolment) => void shown.push(enrolment),
    firstCode: async ({ secret, algorithm, digits, period }) => {
      const key = decodeSecret(secret);
      if (period === undefined) return hotpCode(key, 0, { algorithm, digits });
      return totpCode(key, stepAt(now(), period), { algorithm, digits, period });
    },
  };
}

/** Deletes an account, once nobody else has its turn. */
export async function deleteAccount(target: LoadTarget, account: LoadAccount): Promise<void> {
  const session = await sessionOf(target, account);
  try {
    await account.inTurn((code) => session.call("account.delete", code));
  } finally {
    session.close();
  }
}

/** The one that it was made with, which an address has no limit for; or where that has ended, another one. */
async function sessionOf(target: LoadTarget, account: LoadAccount): Promise<LiveSession> {
  const { name, password, kept } = account.facts;
  try {
    return await LiveSession.resume({ ...target, kept });
  } catch (thrown) {
    if (!failedWith(thrown, "session_invalid")) throw thrown;
  }
  const server = await openServer(target.environment, target.choice, "login");
  try {
    return await account.inTurn(async (code) => {
      const codes = [code];
      const attempt = { name, password, askCode: async () => codes.shift() };
      const { loggedIn } = await patiently(target, () => login(nowhere, server, attempt));
      return LiveSession.begun({ ...target, kept: { ...kept, secret: loggedIn.secret } }, server, loggedIn);
    });
  } catch (thrown) {
    server.rpc.close();
    throw thrown;
  }
}

/** Nobody thinks here for so long that a connection would have to be made anew. */
const nowhere: Reopen = async () => {
  throw new PosternError("connection_lost");
};

/** An account that was begun must be one that can be deleted: it waits where the server says so. */
async function patiently<T>({ wait }: LoadTarget, act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (thrown) {
      if (!failedWith(thrown, "rate_limited")) throw thrown;
      await wait(thrown.retryAfter ?? 1);
    }
  }
}
