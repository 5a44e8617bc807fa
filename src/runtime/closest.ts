/**
 * The known word with the fewest typing mistakes, if there are at most `mostMistakes`: the user probably meant this word. An
 * extra letter, a missing letter, a wrong letter and two swapped letters count as one mistake each. Case does not count.
 */
export function closest(word: string, known: readonly string[], mostMistakes: number): string | undefined {
  let best: string | undefined;
  let fewest = mostMistakes + 1;
  for (const candidate of known) {
    const mistakes = mistakesBetween(word.toLowerCase(), candidate.toLowerCase());
    if (mistakes < fewest) [best, fewest] = [candidate, mistakes];
  }
  return best;
}

/** ` Did you mean "stats"?`, or nothing. For short words, such as commands and flags. */
export function didYouMean(word: string, known: readonly string[]): string {
  const meant = closest(word, known, word.length <= 3 ? 1 : 2);
  return meant === undefined ? '' : ` Did you mean "${meant}"?`;
}

/** The Damerau-Levenshtein distance (optimal string alignment). */
function mistakesBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? beforeLast[j - 2]! + 1 : replaced;
      row.push(Math.min(last[j]! + 1, row[j - 1]! + 1, replaced, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
