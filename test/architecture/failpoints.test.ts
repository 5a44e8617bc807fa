import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** The distinct matches of the pattern's group in the files of a folder. */
function namesIn(folder: string, file: RegExp, pattern: RegExp): string[] {
  const root = new URL(`../../${folder}/`, import.meta.url);
  const paths = (readdirSync(root, { recursive: true }) as string[]).filter((path) => file.test(path));
  const names = paths.flatMap((path) => {
    const text = readFileSync(new URL(path, root), 'utf8');
    return [...text.matchAll(pattern)].map(([, name]) => name!);
  });
  return [...new Set(names)].sort();
}

it('every failpoint of the source has a test in which a worker dies there', () => {
  const points = namesIn('src', /\.ts$/, /failpoint\('(.+?)'\)/g);
  expect(points).not.toEqual([]);
  expect(namesIn('test/program', /^dying.*\.test\.ts$/, /'(\w+\.\w+)'/g)).toEqual(points);
});
