import type { AskCode } from "./give-code.js";
import { type Entered, enterByCode, type Reopen } from "./login.js";
import type { OpenServer } from "./open-server.js";
import { type LoginPassword, type PasswordAttempt, provePassword } from "./prove-password.js";

export interface PasswordDialogue {
  /** A new password for the identity that the server made of the name. */
  newPassword(identity: string): Promise<LoginPassword>;
  readonly askCode: AskCode;
}

/**
 * Changes the password: the old one is proved as at a login, then the new one is chosen, and the code comes last, since
 * it ages. What begins is a new session; all that the old password had granted has ended. A connection that ended
 * meanwhile is made anew, and the old password proved on it, before the code is sent.
 * @throws PosternError as `login`; `memory_short`
 */
export async function changePassword(
  reopen: Reopen,
  first: OpenServer,
  old: PasswordAttempt,
  { newPassword, askCode }: PasswordDialogue,
): Promise<Entered> {
  const proved = await provePassword(first, old);
  const chosen = await newPassword(proved.identity);
  await chosen.verifier(proved, proved.restretch ?? proved.stretch);
  const anew = async () => provePassword(await reopen(), old);
  return enterByCode({ proved, anew, askCode }, async (now, code) => {
    const new_verifier = await chosen.verifier(now, now.restretch ?? now.stretch);
    return now.server.rpc.call("password.change", { ...code, new_verifier });
  });
}
