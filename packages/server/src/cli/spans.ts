import { PosternError } from "@postern/shared/errors";

const SECOND_MS = 1000;
const units = { s: SECOND_MS, m: 60 * SECOND_MS, h: 3600 * SECOND_MS, d: 86_400 * SECOND_MS } as const;

/** `0s`, `30s`, `5m`: in milliseconds. @throws PosternError `usage` */
export function parseDrain(text: string): number {
  const span = spanOf(text, ["s", "m"]);
  if (span === undefined || span > units.h) {
    throw new PosternError("usage", { detail: "--drain takes seconds or minutes, an hour at most: 30s, 5m, 0s" });
  }
  return span;
}

/** `30m`, `1h`, `7d`: in milliseconds. @throws PosternError `usage` */
export function parseFor(text: string): number {
  const span = spanOf(text, ["m", "h", "d"]);
  if (span === undefined || span === 0 || span > 30 * units.d) {
    throw new PosternError("usage", { detail: "--for takes a span of 30 days at most: 30m, 1h, 7d" });
  }
  return span;
}

function spanOf(text: string, allowed: readonly (keyof typeof units)[]): number | undefined {
  const [, count = "", unit = ""] = /^(0|[1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const known = allowed.find((one) => one === unit);
  return known === undefined ? undefined : Number(count) * units[known];
}
