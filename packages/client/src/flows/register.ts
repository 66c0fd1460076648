import { PosternError } from "@postern/shared/errors";
import { stretchPassword } from "@postern/shared/kdf";
import type { Result } from "@postern/shared/messages";
import { encodeSecret } from "@postern/shared/otp/secret";
import { parseOtpauthUri } from "@postern/shared/otp/uri";
import { deriveVerifier } from "@postern/shared/srp/client";
import { parseSalt } from "@postern/shared/srp/parse";
import type { OpenServer } from "./open-server.js";

export type Enrolment = Result<"register.verifier">;
export type Registered = Result<"register.confirm">;

/** Whom a registration asks: a person at a terminal, or files and pipes. */
export interface RegisterDialogue {
  /** A new password for the identity that the server made of the name; `signal` fires when the connection ends. */
  newPassword(identity: string, signal: AbortSignal): Promise<string>;
  /** Shows the authenticator secret, and has it stored in an app. */
  showEnrolment(enrolment: Enrolment): void;
  /** The app's first code; `refused` tells that the last one was not right. */
  firstCode(enrolment: Enrolment, state: { refused: boolean; signal: AbortSignal }): Promise<string>;
}

/**
 * Registers: name, password, authenticator, first code. Of the password only the verifier leaves this machine, and
 * nothing is stored anywhere before the first code was right.
 * @throws PosternError `name_invalid`, `name_taken`, `registration_closed`; `stretch_refused` for a false server
 */
export async function register(
  { rpc, greeting }: OpenServer,
  name: string,
  dialogue: RegisterDialogue,
): Promise<Registered> {
  if (greeting.registration === "closed") throw new PosternError("registration_closed");
  const { identity, salt, stretch } = await rpc.call("register.start", { name });
  const password = await dialogue.newPassword(identity, rpc.ended);
  const parsedSalt = parseSalt(salt);
  const stretched = await stretchPassword({ password, salt: parsedSalt, parameters: stretch });
  const verifier = deriveVerifier({ identity, salt: parsedSalt, password: stretched });
  const enrolment = await rpc.call("register.verifier", { verifier });
  if (!isConsistent(enrolment)) throw new PosternError("server_failed", { detail: "its URI does not fit its secret" });
  dialogue.showEnrolment(enrolment);
  const registered = await confirm(rpc, dialogue, enrolment);
  if (registered.name !== identity) throw new PosternError("server_failed", { detail: "it registered another name" });
  return registered;
}

/** Whether the URI says what the other fields do: a person sees the one, scans the other, and must get the same. */
function isConsistent({ uri, secret, algorithm, digits, period }: Enrolment): boolean {
  try {
    const said = parseOtpauthUri(uri);
    return (
      said.type === "totp" &&
      encodeSecret(said.secret) === secret &&
      said.algorithm === algorithm &&
      said.digits === digits &&
      said.period === period
    );
  } catch {
    return false;
  }
}

async function confirm(rpc: OpenServer["rpc"], dialogue: RegisterDialogue, enrolment: Enrolment): Promise<Registered> {
  for (let refused = false; ; refused = true) {
    const code = await dialogue.firstCode(enrolment, { refused, signal: rpc.ended });
    try {
      return await rpc.call("register.confirm", { code });
    } catch (thrown) {
      if (!(thrown instanceof PosternError && thrown.code === "code_refused")) throw thrown;
    }
  }
}
