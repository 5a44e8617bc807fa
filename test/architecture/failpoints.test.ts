import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** What the pattern finds in the files of a folder, each once. */
function namesIn(folder: string, file: RegExp, pattern: RegExp): string[] {
  const root = new URL(`../../${folder}/`, import.meta.url);
  const paths = (readdirSync(root, { recursive: true }) as string[]).filter((path) => file.test(path));
  const names = paths.flatMap((path) => {
    const text = readFileSync(new URL(path, root), 'utf8');
    return [...text.matchAll(pattern)].map(([, name]) => name!);
  });
  return [...new Set(names)].sort();
}

it('at every fault point of the source, a worker of some test dies', () => {
  const points = namesIn('src', /\.ts$/, /failpoint\('(.+?)'\)/g);
  expect(points).not.toEqual([]);
  expect(namesIn('test/program', /^dying.*\.test\.ts$/, /'(\w+\.\w+)'/g)).toEqual(points);
});
