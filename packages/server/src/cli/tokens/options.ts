import { PosternError } from "@postern/shared/errors";
import { parseSpan } from "../audit-options.js";
import type { StoreOptions } from "../unseal.js";

export interface ExpiringOptions extends StoreOptions {
  readonly expires: string;
}

const DAY_MS = 24 * 3_600_000;

/** The longest that a token can be good for: one that is forgotten somewhere must not open anything years later. */
export const longestLife = { invite: 365 * DAY_MS, reset: 7 * DAY_MS } as const;

/** `--expires`, in milliseconds. @throws PosternError `usage` */
export function parseExpires(text: string, longest: number): number {
  const span = parseSpan(text);
  if (span === undefined || span > longest) {
    const detail = `--expires takes a span such as 30m, 24h or 7d, of at most ${longest / DAY_MS} days`;
    throw new PosternError("usage", { detail });
  }
  return span;
}

const USES_MAX = 1000;

/** @throws PosternError `usage` */
export function parseUses(text: string): number {
  const uses = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : USES_MAX + 1;
  if (uses > USES_MAX) throw new PosternError("usage", { detail: `--uses takes a whole number from 1 to ${USES_MAX}` });
  return uses;
}

const NOTE_LENGTH_MAX = 100;

/** @throws PosternError `usage` */
export function parseNote(text: string): string {
  const note = text.normalize("NFC");
  if (note === "" || note.length > NOTE_LENGTH_MAX || /[\p{C}\p{Zl}\p{Zp}]/u.test(note)) {
    throw new PosternError("usage", { detail: `--note takes a line of 1 to ${NOTE_LENGTH_MAX} characters` });
  }
  return note;
}
