import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runCommand } from '../support/program.ts';

/** The columns of a row, by their names. */
function rowsOf(stdout: readonly string[]): Record<string, string>[] {
  const [names = [], , ...rows] = stdout
    .filter((line) => line.includes('|') || line.startsWith('-'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return rows.map((cells) => Object.fromEntries(names.map((name, index) => [name, cells[index]!])));
}

test('the short run of chaos loses nothing', { timeout: 180_000 }, async () => {
  const run = await runCommand(
    'npm',
    ['run', '-s', 'chaos', '--', '--short', '--seed', '1', '--seconds', '120'],
    {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    },
  );
  const { code } = await run.waitForExit({ timeoutMs: 170_000 });
  const rows = rowsOf(run.stdout);
  expect(rows.length).toBeGreaterThanOrEqual(4);
  for (const row of rows) {
    expect(row).toMatchObject({ lost: '0', 'dead letters': '0', delivered: row.accepted });
    expect(Number(row.accepted)).toBeGreaterThan(0);
  }
  expect(run.stdout[0]).toMatch(/, seed 1$/);
  expect({ code, stderr: run.stderr }).toMatchObject({ code: 0 });
});
