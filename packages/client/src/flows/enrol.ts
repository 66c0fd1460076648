import { PosternError } from "@postern/shared/errors";
import type { Result } from "@postern/shared/messages";
import { encodeSecret } from "@postern/shared/otp/secret";
import { parseOtpauthUri } from "@postern/shared/otp/uri";
import { isRefusal } from "./give-code.js";

/** A new authenticator as the server offers it. */
export type Enrolment = Pick<Result<"factor.add">, "secret" | "uri" | "algorithm" | "digits" | "period"> & {
  readonly kind: "totp" | "hotp";
};

/** Whom an enrolment asks: a person at a terminal, or files and pipes. */
export interface EnrolmentDialogue {
  /** Shows the authenticator secret, and has it stored in an app. */
  showEnrolment(enrolment: Enrolment): void;
  /** The app's first code; `refusal` is why the last one was not taken, `signal` fires when the connection ends. */
  firstCode(enrolment: Enrolment, state: { refusal: PosternError | undefined; signal: AbortSignal }): Promise<string>;
}

/** Wrong first codes after which a server drops an enrolment. It keeps it while it cannot reach its database. */
const FIRST_CODE_TRIES = 10;

/**
 * Shows a new authenticator, and asks for its first code until one is right. The secret lives in one connection only:
 * when that ends, so does the enrolment.
 * @throws PosternError `server_failed` for an enrolment that contradicts itself, before anything of it is shown
 */
export async function enrol<T>(
  enrolment: Enrolment,
  dialogue: EnrolmentDialogue,
  { signal, confirm }: { signal: AbortSignal; confirm: (code: string) => Promise<T> },
): Promise<T> {
  if (!isConsistent(enrolment)) throw new PosternError("server_failed", { detail: "its URI does not fit its secret" });
  dialogue.showEnrolment(enrolment);
  let refusal: PosternError | undefined;
  for (let tries = 1; ; tries += 1) {
    const code = await dialogue.firstCode(enrolment, { refusal, signal });
    try {
      return await confirm(code);
    } catch (thrown) {
      if (!isRefusal(thrown) || tries === FIRST_CODE_TRIES) throw thrown;
      refusal = thrown;
    }
  }
}

/** Whether the URI says what the other fields do: a person sees the one, scans the other, and must get the same. */
function isConsistent({ kind, uri, secret, algorithm, digits, period }: Enrolment): boolean {
  try {
    const said = parseOtpauthUri(uri);
    const moves = said.type === "totp" ? said.period === period : said.counter === 0 && period === undefined;
    return (
      said.type === kind &&
      encodeSecret(said.secret) === secret &&
      said.algorithm === algorithm &&
      said.digits === digits &&
      moves
    );
  } catch {
    return false;
  }
}
