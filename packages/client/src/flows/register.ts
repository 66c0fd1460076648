import { PosternError } from "@postern/shared/errors";
import type { Result } from "@postern/shared/messages";
import { parseSalt } from "@postern/shared/srp/parse";
import type { Token } from "@postern/shared/token";
import { type EnrolmentDialogue, enrol } from "./enrol.js";
import type { OpenServer } from "./open-server.js";
import type { LoginPassword } from "./prove-password.js";

export type Registered = Result<"register.confirm">;

/** Who registers, and what the operator gave them for it. */
export interface Registrant {
  readonly name: string;
  readonly invite: Token | undefined;
}

/** Whom a registration asks: a person at a terminal, or files and pipes. */
export interface RegisterDialogue extends EnrolmentDialogue {
  /** A new password for the identity that the server made of the name; `signal` fires when the connection ends. */
  newPassword(identity: string, signal: AbortSignal): Promise<LoginPassword>;
}

/**
 * Registers: name, password, authenticator, first code. Of the password only the verifier leaves this machine, and
 * nothing is stored anywhere before the first code was right.
 * @throws PosternError `name_invalid`, `name_taken`, `registration_closed`, `invite_needed`, `token_invalid`;
 *   `stretch_refused` for a false server
 */
export async function register(
  { rpc, greeting }: OpenServer,
  { name, invite }: Registrant,
  dialogue: RegisterDialogue,
): Promise<Registered> {
  if (greeting.registration === "closed") throw new PosternError("registration_closed");
  if (greeting.registration === "invite" && invite === undefined) throw new PosternError("invite_needed");
  const { identity, salt, stretch } = await rpc.call("register.start", {
    name,
    ...(invite !== undefined && { invite: invite.secret.toString("hex") }),
  });
  const password = await dialogue.newPassword(identity, rpc.ended);
  const { verifier } = await password.verifier({ identity, salt: parseSalt(salt) }, stretch);
  const enrolment = { ...(await rpc.call("register.verifier", { verifier })), kind: "totp" } as const;
  const registered = await enrol(enrolment, dialogue, {
    signal: rpc.ended,
    confirm: (code) => rpc.call("register.confirm", { code }),
  });
  if (registered.name !== identity) throw new PosternError("server_failed", { detail: "it registered another name" });
  return registered;
}
