import type { NameCharacter } from "./characters.js";

/** UTS 39 section 5.1, table 1a: the writing systems that use several scripts, added to each of theirs. */
const WRITING_SYSTEMS: Readonly<Record<string, readonly string[]>> = {
  Han: ["Chinese", "Japanese", "Korean"],
  Bopomofo: ["Chinese"],
  Hiragana: ["Japanese"],
  Katakana: ["Japanese"],
  Hangul: ["Korean"],
};

/**
 * Whether one script, or one writing system of several, has all of these characters: the resolved script set of
 * UTS 39 section 5.1 is not empty. Latin within another script is a mix, also beside Japanese, Chinese and Korean,
 * where UTS 39's level "highly restrictive" would allow it: the stricter level has fewer names that look alike.
 *
 * Names that look alike in two scripts (Cyrillic "сосо", Latin "coco") are each of one script and stay possible.
 */
export function isSingleScript(characters: readonly NameCharacter[]): boolean {
  let resolved: readonly string[] | undefined;
  for (const { scripts } of characters) {
    if (scripts.includes("Common") || scripts.includes("Inherited")) continue;
    const augmented = scripts.flatMap((script) => [script, ...(WRITING_SYSTEMS[script] ?? [])]);
    resolved = resolved === undefined ? augmented : resolved.filter((script) => augmented.includes(script));
    if (resolved.length === 0) return false;
  }
  return true;
}
