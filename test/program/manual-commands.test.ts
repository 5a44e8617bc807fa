import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { runCommand } from '../support/program.ts';
import { blocksOf, PAGES } from './manual.ts';
import { openScene, type Scene, stopWorker } from './scene.ts';

/** The manual says that its commands run in this folder. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Commands that end by themselves, so not `stats --watch`. */
const COMMAND = /^node dist\/main\.js (?:publish|stats|sql)\b(?!.* --watch).*$/gm;
const commands = PAGES.flatMap((page) =>
  blocksOf(page, 'sh').flatMap((block) => (block.match(COMMAND) ?? []).map((line) => [page, line] as const)),
);

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
  // This worker creates the streams and the tables, and stops before a command publishes a message.
  await stopWorker(await scene.startWorker());
});

it.each(commands)('a command in %s runs in a shell: %s', async (_page, line) => {
  const program = await runCommand('/bin/sh', ['-c', line], { cwd: ROOT, env: scene.env });
  expect(await program.waitForExit()).toMatchObject({ code: 0 });
  expect(program.stderr).toEqual([]);
});

it('the manual has more than 10 such commands', () => {
  expect(commands.length).toBeGreaterThan(10);
});
