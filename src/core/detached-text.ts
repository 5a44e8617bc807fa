/**
 * The same text in memory of its own, up to so many characters. A piece cut out of a longer text keeps all of that in memory for as
 * long as itself, which is too much for what is kept by the thousand.
 */
export function detachedText(text: string, longest: number): string {
  return Buffer.from(text.length > longest ? text.slice(0, longest) : text).toString();
}
