import { basename, relative } from 'node:path';

/** How this program was called, for texts with lines to paste: by its name, or as `node dist/main.js`. */
export function howCalled(script: string, folder: string): string {
  if (basename(script) !== 'main.js') return basename(script);
  const inside = relative(folder, script);
  return `node ${quoted(inside.startsWith('..') ? script : inside)}`;
}

/** A path, or any text, as one word for a shell. */
export function quoted(path: string): string {
  return /^[\w./:,@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
