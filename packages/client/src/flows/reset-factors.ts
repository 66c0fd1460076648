import { PosternError } from "@postern/shared/errors";
import type { Token } from "@postern/shared/token";
import { type EnrolmentDialogue, enrol } from "./enrol.js";
import type { OpenServer } from "./open-server.js";
import { type PasswordAttempt, provePassword } from "./prove-password.js";
import type { Registered } from "./register.js";

/**
 * Replaces all authenticators by an operator's token, which stands in for one code: it is sent only to a server that has
 * proved, over this very connection, that it knows the password's verifier. Nothing is replaced before the first code
 * of the new one was right.
 * @throws PosternError as `provePassword`; `token_invalid`, `code_refused`
 */
export async function resetFactors(
  server: OpenServer,
  { token, ...attempt }: PasswordAttempt & { readonly token: Token },
  dialogue: EnrolmentDialogue,
): Promise<Registered> {
  const { identity } = await provePassword(server, attempt);
  const { rpc } = server;
  const offered = await rpc.call("reset.factors", { token: token.secret.toString("hex") });
  const replaced = await enrol({ ...offered, kind: "totp" } as const, dialogue, {
    signal: rpc.ended,
    confirm: (code) => rpc.call("reset.confirm", { code }),
  });
  if (replaced.name !== identity) throw new PosternError("server_failed", { detail: "it reset another name" });
  return replaced;
}
