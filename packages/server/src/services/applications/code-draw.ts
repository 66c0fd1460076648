import { createHmac, timingSafeEqual } from "node:crypto";
import type { Code } from "@postern/shared/otp/code";
import type { IssuedCode } from "../../records/applications/one-time-code.js";

/** Of 256 values of a byte, 250 fall evenly on ten digits; the others are drawn again. */
const EVEN_BYTES = 250;

/** Draws a code, every one of that length as likely as any other. */
export function drawCode(digits: number, random: (size: number) => Buffer): Code {
  let code = "";
  while (code.length < digits) {
    const even = random(digits - code.length).filter((byte) => byte < EVEN_BYTES);
    code += Array.from(even, (byte) => byte % 10).join("");
  }
  return code as Code;
}

const KEY_BYTES = 32;

/**
 * What is kept of a code: HMAC-SHA256(key; its ASCII digits), under a random key of its own. The key stands beside it, for
 * the record is sealed: it makes equal codes differ, and no table of codes is made ahead.
 */
export function concealed(code: Code, random: (size: number) => Buffer): Pick<IssuedCode, "mac" | "macKey"> {
  const macKey = random(KEY_BYTES);
  return { macKey, mac: macOf(macKey, code) };
}

/** Compares in constant time. */
export function isConcealed({ mac, macKey }: Pick<IssuedCode, "mac" | "macKey">, code: Code): boolean {
  return timingSafeEqual(mac, macOf(macKey, code));
}

function macOf(key: Buffer, code: Code): Buffer {
  return createHmac("sha256", key).update(code, "latin1").digest();
}
