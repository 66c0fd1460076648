import { PosternError } from "@postern/shared/errors";
import { digitLimits } from "@postern/shared/otp/parameters";
import { parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import type { TypedCode } from "../flows/login.js";

/**
 * A code as people type it: digits, with spaces anywhere, or a recovery code. Undefined for anything else, which is
 * not sent: a password that was typed in the wrong place stays here.
 */
export function parseTypedCode(text: string): TypedCode | undefined {
  if (parseRecoveryCode(text) !== undefined) return { factor: "recovery", code: text };
  const code = withoutSpaces(text);
  return isDigits(code, digitLimits.least, digitLimits.most) ? { factor: "totp", code } : undefined;
}

/** The same for a code that a script gave. @throws PosternError `usage` */
export function requireTypedCode(text: string): TypedCode {
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
