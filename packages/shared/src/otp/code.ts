import { timingSafeEqual } from "node:crypto";

declare const code: unique symbol;

/** A one-time code as its ASCII decimal digits, of the length it was parsed for. */
export type Code = string & { readonly [code]: true };

/**
 * Reads a code of exactly `digits` ASCII digits; undefined for anything else, and for a value that is not a string
 * (`["123456"]` would pass as one). Nothing is stripped or folded: one code has one spelling, or a used one comes back
 * in full-width digits. Spaces that people type are the client's to drop.
 */
export function parseCode(value: unknown, digits: number): Code | undefined {
  return isCode(value, digits) ? value : undefined;
}

function isCode(value: unknown, digits: number): value is Code {
  return typeof value === "string" && value.length === digits && /^[0-9]+$/.test(value);
}

/** Compares in constant time; codes of different lengths differ. */
export function equalCodes(left: Code, right: Code): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left, "latin1"), Buffer.from(right, "latin1"));
}
