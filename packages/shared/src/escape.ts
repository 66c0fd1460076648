export interface EscapeOptions {
  /** Columns that the result may take at most; what is longer is cut and ends in `…`. At least 1. */
  readonly max?: number;
}

/**
 * What a terminal, a log or a reader could take for something else than text: controls (ESC, C1, CR, LF), characters
 * that format without being seen (bidi controls, joiners, tags, U+FEFF), surrogates without their other half, private
 * use, unassigned, line and paragraph separators, ignorables. And the backslash, which begins an escape.
 */
const UNSAFE = /[\\\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/** What stands over the character before it: nonspacing and enclosing marks, vowels and finals of decomposed Korean. */
const STACKED = /[\p{Mn}\p{Me}\u1160-\u11FF\uD7B0-\uD7FF]/u;

/** Above this many on one character, each is shown as an escape: a flood would cover the lines around it. */
const MAX_STACKED = 4;

/** East_Asian_Width W and F; pictographs are wide where they are shown as emoji, regional indicators only in pairs. */
const WIDE =
  /[\u1100-\u115F\u2329\u232A\u2E80-\u303E\u3041-\u3247\u3250-\u4DBF\u4E00-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE10-\uFE19\uFE30-\uFE6B\uFF01-\uFF60\uFFE0-\uFFE6\u{16FE0}-\u{18D08}\u{1AFF0}-\u{1B2FB}\u{1F200}-\u{1F265}\u{20000}-\u{3FFFD}]|(?!\p{Regional_Indicator})\p{Emoji_Presentation}/u;

/**
 * Text from outside, made safe to show on a terminal and to write to a log: one line, no control sequences, no hidden
 * or reordering characters. Unsafe characters become `\xNN` (below U+0100) or `\u{…}`, a backslash is doubled;
 * everything printable stays. Different texts never give the same result, unless `max` cuts them.
 */
export function escapeForTerminal(text: string, { max = Number.POSITIVE_INFINITY }: EscapeOptions = {}): string {
  if (/^[ -[\]-~]*$/.test(text) && text.length <= max) return text;
  let shown = "";
  let columns = 0;
  /** As much of `shown` as leaves a column for the ellipsis. */
  let fitting = "";
  let stacked = MAX_STACKED;
  for (const character of text) {
    stacked = STACKED.test(character) ? stacked + 1 : 0;
    const piece = UNSAFE.test(character) || stacked > MAX_STACKED ? escapeCharacter(character) : character;
    columns += displayWidth(piece);
    if (columns > max) return `${fitting}…`;
    shown += piece;
    if (columns < max) fitting = shown;
  }
  return shown;
}

function escapeCharacter(character: string): string {
  if (character === "\\") return "\\\\";
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length <= 2 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}

/**
 * The columns that a terminal takes for an escaped text: 2 for a wide character, 0 for one stacked on the one before,
 * else 1.
 */
export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += STACKED.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}
