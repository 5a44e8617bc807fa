import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/clean-up.ts';
import { runCommand } from '../support/program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The columns of a row, by their names. */
function rowsOf(stdout: readonly string[]): Record<string, string>[] {
  const [names = [], , ...rows] = stdout
    .filter((line) => line.includes('|') || line.startsWith('-'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return rows.map((cells) => Object.fromEntries(names.map((name, index) => [name, cells[index]!])));
}

test('the short run of chaos loses nothing, and finds the losses of workers that ack before they send', {
  timeout: 180_000,
}, async () => {
  const keep = await temporaryFolder();
  const run = await runCommand(
    'npm',
    ['run', '-s', 'chaos', '--', '--short', '--seed', '1', '--seconds', '120', '--keep', keep],
    { cwd: ROOT },
  );
  const { code } = await run.waitForExit({ timeoutMs: 170_000 });
  const rows = rowsOf(run.stdout);
  expect(rows.length).toBeGreaterThanOrEqual(4);
  for (const row of rows) {
    expect(row).toMatchObject({
      lost: '0',
      undeserved: '0',
      'dead letters': '0',
      delivered: row.accepted,
    });
    expect(Number(row.accepted)).toBeGreaterThan(0);
  }
  expect(run.stdout[0]).toMatch(/, seed 1$/);
  expect(run.stdout.at(-1)).toMatch(/^negative control: .*: [1-9]\d* of \d+ lost, as expected$/);
  expect({ code, stderr: run.stderr }).toMatchObject({ code: 0 });

  // The kept files lead to the same figures.
  const folders = (await readdir(keep)).sort().map((name) => join(keep, name));
  const judging = await runCommand(process.execPath, [join(ROOT, 'test/chaos/judge.mjs'), ...folders]);
  expect(await judging.waitForExit()).toMatchObject({ code: 1 });
  const [control, ...verdicts] = judging.stdout.map((line) => JSON.parse(line));
  expect(control.lost).toBeGreaterThan(0);
  expect(verdicts.map(({ accepted, lost }) => ({ accepted, lost }))).toEqual(
    rows.map((row) => ({ accepted: Number(row.accepted), lost: 0 })),
  );
});
