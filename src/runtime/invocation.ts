import { basename, relative } from 'node:path';

/** How this program was called, for texts with lines to paste: its own name, or `node dist/main.js`. */
export function programName(script: string, folder: string): string {
  if (basename(script) !== 'main.js') return basename(script);
  const inside = relative(folder, script);
  return `node ${shellQuote(inside.startsWith('..') ? script : inside)}`;
}

/** A path, or any text, as one word for a shell. */
export function shellQuote(path: string): string {
  return /^[\w./:,@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
