/**
 * Which passwords a person may choose, for an account and for the operator's store. It is assessed where it is typed:
 * the server never sees it. Works offline.
 */
import type { ZxcvbnFactory } from "@zxcvbn-ts/core";

export const MIN_PASSWORD_CODE_POINTS = 8;
export const MAX_PASSWORD_BYTES = 1024;

/** zxcvbn's scores that pass: guesses of 10^6 and more, 10^8, 10^10. "good" is what we recommend. */
export const strengths = { 2: "fair", 3: "good", 4: "strong" } as const;
export type PassingScore = keyof typeof strengths;
export type Strength = (typeof strengths)[PassingScore];

/** zxcvbn takes time that grows faster than the length; what stands behind this many code points is not looked at. */
const ASSESSED_CODE_POINTS = 100;

/** Ways to read digits and signs as letters that are tried: beyond, the worst 100 code points take seconds, not half one. */
const MAX_SUBSTITUTIONS = 8;

/** Shorter words of the context would match by chance. */
const MIN_CONTEXT_LENGTH = 3;

export type PasswordRefusal = "password_too_short" | "password_too_weak" | "password_too_long";

export type PasswordVerdict =
  | { readonly ok: true; readonly score: PassingScore; readonly strength: Strength; readonly advice: readonly string[] }
  | { readonly ok: false; readonly code: PasswordRefusal; readonly advice: readonly string[] };

/**
 * Judges a password: 8 code points or more and 1024 bytes or less, both after NFC, and not easy to guess. `context`
 * are words that a guesser tries first (the name it is for); they and "postern" count for nothing in it.
 * The advice is fixed English sentences, without the password. (NIST SP 800-63B-4, 3.1.1.2: a list of known
 * passwords and context words instead of rules of composition.)
 */
export async function assessPassword(
  password: string,
  { context }: { readonly context: readonly string[] },
): Promise<PasswordVerdict> {
  const normalized = password.normalize("NFC");
  if (Buffer.byteLength(normalized) > MAX_PASSWORD_BYTES) return { ok: false, code: "password_too_long", advice: [] };
  const codePoints = [...normalized];
  if (codePoints.length < MIN_PASSWORD_CODE_POINTS) {
    return { ok: false, code: "password_too_short", advice: ["use 8 characters or more"] };
  }
  return judge(await guesser(), codePoints.slice(0, ASSESSED_CODE_POINTS).join(""), guessableWords(context));
}

function judge(zxcvbn: ZxcvbnFactory, password: string, words: readonly string[]): PasswordVerdict {
  const whole = zxcvbn.check(password, [...words]);
  const rest = withoutWords(password, words);
  const score = rest === password ? whole.score : Math.min(whole.score, rest === "" ? 0 : zxcvbn.check(rest).score);
  const advice = [whole.feedback.warning ?? "", ...whole.feedback.suggestions].filter((sentence) => sentence !== "");
  if (!isPassing(score)) return { ok: false, code: "password_too_weak", advice };
  return { ok: true, score, strength: strengths[score], advice };
}

function isPassing(score: number): score is PassingScore {
  return Object.hasOwn(strengths, score);
}

/** The words of the context, and the parts of those that have parts (`alice` of `alice@example.org`); longest first. */
function guessableWords(context: readonly string[]): readonly string[] {
  const words = [...context, "postern"].map((word) => word.normalize("NFC").toLowerCase());
  const parts = words.flatMap((word) => [word, ...word.split(/[^\p{L}\p{N}]+/u)]);
  return [...new Set(parts)].filter((word) => word.length >= MIN_CONTEXT_LENGTH).sort((a, b) => b.length - a.length);
}

/** zxcvbn gives two words of the context ("alice-postern") a passing score; so what remains must pass by itself. */
function withoutWords(password: string, words: readonly string[]): string {
  const literal = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return password.replace(new RegExp(literal.join("|"), "giu"), "");
}

let loading: Promise<ZxcvbnFactory> | undefined;

/** The dictionaries are 3 MB and take some 400 ms to load: only when a password is chosen, and once. */
function guesser(): Promise<ZxcvbnFactory> {
  loading ??= load();
  return loading;
}

async function load(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import("@zxcvbn-ts/core"),
    import("@zxcvbn-ts/language-common"),
    import("@zxcvbn-ts/language-en"),
  ]);
  return new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
    translations: english.translations,
    l33tMaxSubstitutions: MAX_SUBSTITUTIONS,
  });
}
