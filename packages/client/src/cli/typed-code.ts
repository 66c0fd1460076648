import { PosternError } from "@postern/shared/errors";
import type { CodeParams } from "@postern/shared/messages";
import { digitLimits } from "@postern/shared/otp/parameters";
import { parseRecoveryCode } from "@postern/shared/otp/recovery-code";

/**
 * A code as people type it: digits, with spaces anywhere, or a recovery code. Twice as many digits are two codes in a
 * row, of a device that counts and ran ahead. Undefined for anything else, which is not sent: a password that was typed
 * in the wrong place stays here.
 */
export function parseTypedCode(text: string): CodeParams | undefined {
  if (parseRecoveryCode(text) !== undefined) return { code: text };
  const digits = withoutSpaces(text);
  const { least, most } = digitLimits;
  if (isDigits(digits, least, most)) return { code: digits };
  const half = digits.length / 2;
  if (!Number.isInteger(half) || !isDigits(digits, 2 * least, 2 * most)) return undefined;
  return { code: digits.slice(0, half), second_code: digits.slice(half) };
}

/** The same for a code that a script gave. @throws PosternError `usage` */
export function requireTypedCode(text: string): CodeParams {
  const typed = parseTypedCode(text);
  if (typed === undefined) throw new PosternError("usage", { detail: "that is neither a code nor a recovery code" });
  return typed;
}

/** An authenticator's code of so many digits. */
export function parseDigits(text: string, digits: number): string | undefined {
  const code = withoutSpaces(text);
  return isDigits(code, digits, digits) ? code : undefined;
}

export function withoutSpaces(text: string): string {
  return text.replaceAll(" ", "");
}

function isDigits(text: string, least: number, most: number): boolean {
  return /^[0-9]+$/.test(text) && text.length >= least && text.length <= most;
}
