import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { runCommand } from '../support/program.ts';
import { blocksOf, PAGES } from './manual.ts';
import { openScene, type Scene, stopWorker } from './scene.ts';

/** Where the manual says that its lines are pasted. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Those that end by themselves, so not `stats --watch`. */
const COMMAND = /^node dist\/main\.js (?:publish|stats|sql)\b(?!.* --watch).*$/gm;
const lines = PAGES.flatMap((page) =>
  blocksOf(page, 'sh').flatMap((block) => (block.match(COMMAND) ?? []).map((line) => [page, line] as const)),
);

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
  // It makes the streams and the tables, and is gone before there is something to deliver.
  await stopWorker(await scene.startWorker());
});

it.each(lines)('a shell takes the line of %s: %s', async (_page, line) => {
  const program = await runCommand('/bin/sh', ['-c', line], { cwd: ROOT, env: scene.env });
  expect(await program.waitForExit()).toMatchObject({ code: 0 });
  expect(program.stderr).toEqual([]);
});

it('finds the lines', () => {
  expect(lines.length).toBeGreaterThan(10);
});
