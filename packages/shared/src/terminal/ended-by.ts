import { PosternError } from "../errors.js";

/** Why a wait for a person's input was ended from outside: the signal's reason when that is one of ours. */
export function endedBy(signal: AbortSignal | undefined): PosternError {
  const reason: unknown = signal?.reason;
  return reason instanceof PosternError ? reason : new PosternError("cancelled", { cause: reason });
}
