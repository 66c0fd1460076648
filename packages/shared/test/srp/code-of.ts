import { type ErrorCode, PosternError } from "../../src/errors.js";

/** The code of what `body` throws; undefined when it throws nothing. Any other error goes on. */
export function codeOf(body: () => unknown): ErrorCode | undefined {
  try {
    body();
  } catch (thrown) {
    if (thrown instanceof PosternError) return thrown.code;
    throw thrown;
  }
  return undefined;
}
