import { PosternError } from "@postern/shared/errors";
import { MAX_COUNTER, type Range } from "@postern/shared/otp/parameters";

const counters: Range = { least: 0, most: MAX_COUNTER };

/** The whole number of an option. @throws PosternError `usage` when it is none, or out of its range */
export function parseNumber(option: string, text: string, { least, most }: Range): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new PosternError("usage", { detail: `${option} takes a whole number from ${least} to ${most}` });
}

/** `--counter`, below the last of which there is a next one. @throws PosternError `usage` */
export function parseCounter(text: string): number {
  return parseNumber("--counter", text, counters);
}
