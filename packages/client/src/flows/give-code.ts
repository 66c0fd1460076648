import type { PosternError } from "@postern/shared/errors";
import type { CodeParams } from "@postern/shared/messages";
import { failedWith } from "../failed-with.js";

/** What is known about the code that is asked for. */
export interface CodeQuestion {
  /** Why the last one was not taken; undefined for the first one. */
  readonly refusal: PosternError | undefined;
  /** Kinds of authenticators that would be accepted, as far as the server has said. */
  readonly factors: readonly string[];
  /** Seconds that a code lasts, where all authenticators have the same period. */
  readonly period: number | undefined;
}

/** Whom a code is asked of: a person, or a script. Undefined when there is none to give, or none more. */
export type AskCode = (question: CodeQuestion) => Promise<CodeParams | undefined>;

/**
 * Asks for codes until one is taken, and gives what it was good for.
 * @throws PosternError the last refusal when there is no further code, `otherwise` when there was not even a first
 */
export async function giveCode<T>(
  askCode: AskCode,
  { about, otherwise }: { about: () => Omit<CodeQuestion, "refusal">; otherwise: PosternError },
  give: (code: CodeParams) => Promise<T>,
): Promise<T> {
  let refusal: PosternError | undefined;
  for (;;) {
    const code = await askCode({ ...about(), refusal });
    if (code === undefined) throw refusal ?? otherwise;
    try {
      return await give(code);
    } catch (thrown) {
      if (!isRefusal(thrown)) throw thrown;
      refusal = thrown;
    }
  }
}

/** Whether another code may be given. A server without its database has not looked at this one, which may be it. */
export function isRefusal(thrown: unknown): thrown is PosternError {
  return failedWith(thrown, "code_refused") || failedWith(thrown, "unavailable");
}
