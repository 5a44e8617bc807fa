import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCommand, runProgram } from '../support/program.ts';
import { createTestDatabase, startTestNats } from '../support/servers.ts';
import { outcomeOf } from './programs.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
let env: Record<string, string>;

beforeAll(async () => {
  const [nats, database] = await Promise.all([startTestNats(), createTestDatabase()]);
  env = { NATS_URL: nats.url, DATABASE_URL: database.url };
  expect(await outcomeOf(['migrate'], env)).toMatchObject({ code: 0 });
});

const rowsOf = async (query: string) => {
  const { stdout } = await outcomeOf(['sql', '--json', query], env);
  return stdout.split('\n').map((line) => JSON.parse(line));
};

describe('sql --json', () => {
  test('writes numbers of every type as numbers', async () => {
    const query = `SELECT 1::smallint AS small, -2::integer AS int, 3::bigint AS big, 4.50::numeric AS num,
      0.1::real AS real, 1e300::double precision AS double, 7::oid AS oid, count(*) FROM generate_series(1, 5)`;
    expect(await rowsOf(query)).toEqual([
      { small: 1, int: -2, big: 3, num: 4.5, real: 0.1, double: 1e300, oid: 7, count: 5 },
    ]);
  });

  test('writes a number that JSON cannot represent as text, digit for digit', async () => {
    const query = `SELECT 9223372036854775807::bigint AS big, 0.12345678901234567890::numeric AS num,
      'NaN'::double precision AS nan, '-Infinity'::real AS infinite`;
    const expected = {
      big: '9223372036854775807',
      num: '0.12345678901234567890',
      nan: 'NaN',
      infinite: '-Infinity',
    };
    expect(await rowsOf(query)).toEqual([expected]);
  });

  test('writes other values as PostgreSQL does, text that looks like a number as text, and NULL as null', async () => {
    const query = `SELECT '007' AS text, true AS bool, NULL::integer AS none, '{"a":1}'::jsonb AS json, ARRAY[1,2] AS list`;
    const expected = { text: '007', bool: 't', none: null, json: '{"a": 1}', list: '{1,2}' };
    expect(await rowsOf(query)).toEqual([expected]);
  });
});

describe('stats', () => {
  test.each([[['stats']], [['stats', '--once']]])('%j prints once and exits', async (args) => {
    const { code, stdout } = await outcomeOf(args, env);
    expect(stdout).toContain('No worker has written statistics');
    expect(code).toBe(0);
  });

  test('--json prints one object, with null for each unknown value, and the reason', async () => {
    const { code, stdout } = await outcomeOf(['stats', '--json'], env);
    expect(JSON.parse(stdout)).toEqual({
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      workers: [],
      pending: null,
      ackPending: null,
      parked: null,
      scheduled: null,
      ordered: null,
      outbox: { waiting: 0, failed: 0, oldestAgeMs: null },
      deadLetters: null,
      endpoints: [],
      endpointsTotal: 0,
      differingSettings: [],
      configuration: [],
      earlyEnds: [{ endpoint: null, attempts: 7, afterMs: 63_000 }],
      earlyEndsTotal: 1,
      problems: [expect.stringContaining('The group webhook-workers is not on the stream WEBHOOKS yet')],
    });
    expect(code).toBe(0);
  });

  test('--json without PostgreSQL is still one object, and exits with 1', async () => {
    const away = { ...env, DATABASE_URL: 'postgresql://ann@127.0.0.1:1/none' };
    const { code, stdout } = await outcomeOf(['stats', '--json'], away);
    expect(JSON.parse(stdout)).toMatchObject({ workers: null, differingSettings: null, earlyEnds: null });
    expect(JSON.parse(stdout).problems[0]).toContain('127.0.0.1:1');
    expect(code).toBe(1);
  });

  test.each([
    [['--watch'], /^No worker has written/],
    [['--watch', '--json'], /^\{"at":/],
  ])('%j prints repeatedly until Ctrl-C', async (flags, line) => {
    const program = await runProgram(['stats', ...flags], { env });
    let times = 0;
    await program.waitForLine((written) => line.test(written) && ++times === 2);
    program.kill('SIGINT');
    expect(await program.waitForExit()).toMatchObject({ code: 0 });
  });
});

describe('a command whose output is closed', () => {
  /** Pipes the program into `reader`. The exit code of the program is the last line on standard error. */
  const pipedInto = async (args: string, reader: string) => {
    const line = `{ "${process.execPath}" "${MAIN}" ${args}; echo "code $?" >&2; } | ${reader}`;
    const program = await runCommand('/bin/sh', ['-c', line], { env });
    await program.waitForExit();
    return { stdout: program.stdout, stderr: program.stderr };
  };

  test.each([
    ['', 0],
    ['--version', 0],
    ['publish --help', 0],
    ['migrate --status', 0],
    ['stats', 0],
    ['stats --watch', 0],
    ['stats --json', 0],
    ['sql "SELECT 1"', 0],
    ['sql "SELECT nonsense"', 1],
    ['receive --port 0', 0],
    ['publish --subject elsewhere --data 1', 1],
  ])('(%j) ends without an error about its output, with its own exit code', async (args, code) => {
    const { stderr } = await pipedInto(args, 'true');
    expect(stderr.join('\n')).not.toMatch(/EPIPE|at .*\.js|bug/);
    expect(stderr.at(-1)).toBe(`code ${code}`);
  });

  test('that prints many rows gives head its lines', async () => {
    const query = 'sql --json "SELECT n FROM generate_series(1, 300000) AS n"';
    const { stdout, stderr } = await pipedInto(query, 'head -n 2');
    expect(stdout).toEqual(['{"n":1}', '{"n":2}']);
    expect(stderr).toEqual(['code 0']);
  });
});
