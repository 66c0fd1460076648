import { PosternError } from "@postern/shared/errors";
import { stretchPassword } from "@postern/shared/kdf";
import type { Result } from "@postern/shared/messages";
import { deriveVerifier } from "@postern/shared/srp/client";
import { parseSalt } from "@postern/shared/srp/parse";
import type { OpenServer } from "./open-server.js";

export type Enrolment = Result<"register.verifier">;
export type Registered = Result<"register.confirm">;

/** Whom a registration asks: a person at a terminal, or files and pipes. */
export interface RegisterDialogue {
  name(): Promise<string>;
  /** A new password for the identity that the server made of the name. */
  newPassword(identity: string): Promise<string>;
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
export async function register({ rpc }: OpenServer, dialogue: RegisterDialogue): Promise<Registered> {
  const name = await dialogue.name();
  const { identity, salt, stretch } = await rpc.call("register.start", { name });
  const password = await dialogue.newPassword(identity);
  const parsedSalt = parseSalt(salt);
  const stretched = await stretchPassword({ password, salt: parsedSalt, parameters: stretch });
  const verifier = deriveVerifier({ identity, salt: parsedSalt, password: stretched });
  const enrolment = await rpc.call("register.verifier", { verifier });
  dialogue.showEnrolment(enrolment);
  return confirm(rpc, dialogue, enrolment);
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
