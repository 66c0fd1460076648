import { PosternError } from "@postern/shared/errors";
import { type Scope, scopes } from "../../records/applications/api-key.js";
import { parseLine, parseSpan } from "../audit-options.js";

/** What the commands of API keys take as options, parsed. What they refuse is `usage`. */

const DAY_MS = 24 * 3_600_000;

/** Ten years: who wants more means `never`, and should say so. */
const LONGEST_DAYS = 3650;
const LONGEST_OVERLAP_DAYS = 90;
const NAME_LENGTH_MAX = 64;

export function parseKeyName(text: string): string {
  const name = parseLine(text.trim(), NAME_LENGTH_MAX);
  if (name === undefined) throw usage(`--name takes a line of 1 to ${NAME_LENGTH_MAX} characters`);
  return name;
}

/** In the order of their table, each once. */
export function parseScopes(text: string): Scope[] {
  const wanted = text.split(",").map((scope) => scope.trim());
  if (!wanted.every((scope) => scopes.some((known) => known === scope))) {
    throw usage(`--scope takes some of ${scopes.join(", ")}, with commas between them`);
  }
  return scopes.filter((scope) => wanted.includes(scope));
}

/** In milliseconds; undefined for `never`. */
export function parseKeyLife(text: string): number | undefined {
  if (text === "never") return undefined;
  const span = parseSpan(text);
  if (span === undefined || span > LONGEST_DAYS * DAY_MS) {
    throw usage(`--expires takes a span such as 24h or 90d, of at most ${LONGEST_DAYS}d, or never`);
  }
  return span;
}

/** In milliseconds. */
export function parseOverlap(text: string): number {
  const span = /^0[mhd]?$/.test(text) ? 0 : parseSpan(text);
  if (span === undefined || span > LONGEST_OVERLAP_DAYS * DAY_MS) {
    throw usage(`--overlap takes a span such as 30m, 24h or 7d, of at most ${LONGEST_OVERLAP_DAYS}d, or 0`);
  }
  return span;
}

function usage(detail: string): PosternError {
  return new PosternError("usage", { detail });
}
