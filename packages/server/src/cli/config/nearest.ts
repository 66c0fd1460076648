/** The known word that a mistyped one is most likely meant for; undefined where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const [best] = known
    .map((other) => ({ other, distance: distance(plain(word), plain(other)) }))
    .toSorted((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= Math.max(1, plain(best.other).length / 3) ? best.other : undefined;
}

/** Levenshtein's: how many letters are to be inserted, deleted or replaced. */
function distance(from: string, to: string): number {
  // A longer word is near to none of ours, and would take long.
  if (from.length > 64) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const replaced = (row[j] ?? 0) + Number(letter !== other);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
