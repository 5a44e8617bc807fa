import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/clean-up.ts';
import { runProgram } from '../support/program.ts';

const NO_SERVERS = { NATS_URL: 'nats://127.0.0.1:1', DATABASE_URL: 'postgresql://ann@127.0.0.1:1/none' };

async function folderWithEnv(lines: string): Promise<string> {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, '.env'), lines);
  return cwd;
}

test.each([
  { args: ['sql', 'SELECT 1'] },
  { args: ['migrate'] },
  { args: ['stats'] },
  { args: ['publish', '--data', '{}'] },
])('$args.0 warns once of each mistyped name in .env and in the environment, on standard error', async ({
  args,
}) => {
  const cwd = await folderWithEnv('CONCURENCY=7\nMAX_DRAINS=3\n');
  const program = await runProgram(args, { cwd, env: { ...NO_SERVERS, NATS_USRE: 'ann' } });
  await program.waitForExit();
  expect(program.stderr.slice(0, 3)).toEqual([
    expect.stringMatching(/^MAX_DRAINS has a new name: write MAX_OPEN_QUEUES\./),
    expect.stringMatching(/^The file \.env sets CONCURENCY, .* Did you mean CONCURRENCY\?$/),
    expect.stringMatching(/^The environment sets NATS_USRE, .* Did you mean NATS_USER\?$/),
  ]);
  const output = [...program.stdout, ...program.stderr].join('\n');
  for (const name of ['MAX_DRAINS has', 'CONCURENCY', 'NATS_USRE'])
    expect(output.split(name)).toHaveLength(2);
});

test('a worker logs warnings about names before other events, and starts', async () => {
  const cwd = await folderWithEnv('CONCURENCY=7\nMAX_DRAINS=3\n');
  const program = await runProgram(['worker'], { cwd, env: NO_SERVERS });
  await program.waitForLine('127.0.0.1:1');
  program.kill();
  await program.waitForExit();
  expect(program.stdout.slice(0, 2).map((line) => JSON.parse(line))).toMatchObject([
    { level: 'warn', msg: 'setting.renamed', setting: 'MAX_DRAINS' },
    {
      level: 'warn',
      msg: 'setting.unknown',
      setting: 'CONCURENCY',
      hint: expect.stringContaining('CONCURRENCY'),
    },
  ]);
});

test('an unreadable .env is an error that names the cure', async () => {
  const cwd = await temporaryFolder();
  await mkdir(join(cwd, '.env'));
  const program = await runProgram(['stats'], { cwd, env: NO_SERVERS });
  expect(await program.waitForExit()).toMatchObject({ code: 1 });
  expect(program.stderr.join('\n')).toMatch(
    /^The file \.env in the working folder cannot be read: .*Correct it/,
  );
});
