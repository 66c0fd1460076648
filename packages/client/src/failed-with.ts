import { type ErrorCode, PosternError } from "@postern/shared/errors";

/** Whether what was thrown is the failure of this code. */
export function failedWith(thrown: unknown, code: ErrorCode): thrown is PosternError {
  return thrown instanceof PosternError && thrown.code === code;
}
