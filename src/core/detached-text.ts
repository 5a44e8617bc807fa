/**
 * A copy of the text in memory of its own, cut to at most `longest` characters. Without the copy, a piece of a longer text would
 * keep the whole longer text in memory: too much for texts that the worker keeps by the thousand.
 */
export function detachedText(text: string, longest: number): string {
  return Buffer.from(text.length > longest ? text.slice(0, longest) : text).toString();
}
