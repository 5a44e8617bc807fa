import { readFileSync } from 'node:fs';

/** The block of code in the README that begins with this line, without its fences. */
export function readmeBlock(firstLine: string): string {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const blocks = [...readme.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) => block!);
  const found = blocks.filter((block) => block.startsWith(firstLine));
  if (found.length !== 1) throw new Error(`${found.length} blocks of the README begin with ${firstLine}`);
  return found[0]!;
}
