import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { VERSION } from '../../src/runtime/version.ts';
import { runCommand, runProgram } from '../support/program.ts';
import { outcomeOf } from './programs.ts';

const COMMANDS = ['receive', 'publish', 'load', 'stats', 'sql', 'keys', 'sources', 'migrate'];
/** The npm scripts of the development tools. They are not commands of the program. */
const TOOLS = ['chaos', 'bench', 'bench:memory', 'bench:registry'];

const runScript = async (...args: string[]) => {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const { waitForExit, stdout, stderr } = await runCommand('npm', ['run', '-s', ...args], { cwd });
  const { code } = await waitForExit({ timeoutMs: 120_000 });
  return { code, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
};

test.each([...COMMANDS, 'worker', 'up'])('%s --help shows its usage', async (command) => {
  const { code, stdout } = await outcomeOf([command, '--help']);
  expect(stdout).toMatch(new RegExp(`^Usage: node .*dist/main\\.js ${command}\\b`, 'm'));
  expect(code).toBe(0);
});

test('examples in a help text name the program, so that a user can paste them', async () => {
  const { stdout } = await outcomeOf(['help', 'publish']);
  expect(stdout).toMatch(/^ {2}node .*dist\/main\.js publish --file events\.ndjson$/m);
});

test.each(['--version', '-V'])('%s prints the version', async (flag) => {
  expect(await outcomeOf([flag])).toMatchObject({ stdout: VERSION, code: 0 });
});

test.each([
  [[]],
  [['--help']],
  [['-h']],
  [['help']],
])('the program with the arguments %j prints its help', async (args) => {
  const { code, stdout, stderr } = await outcomeOf(args, { NATS_URL: 'nats://127.0.0.1:1' });
  expect(stdout).toMatch(/^Usage: node .*dist\/main\.js <command> \[flags\]\n/);
  for (const command of [...COMMANDS, 'worker', 'up'])
    expect(stdout).toMatch(new RegExp(`^  ${command} +\\w`, 'm'));
  expect([code, stderr]).toEqual([0, '']);
});

test.each([
  [['pubish'], 'There is no command "pubish". Did you mean "publish"?'],
  [['stat', '--watch'], 'There is no command "stat". Did you mean "stats"?'],
  [['wroker'], 'There is no command "wroker". Did you mean "worker"?'],
  [['deliver'], 'There is no command "deliver". The commands are worker, api, relay, all, up, publish,'],
  [['--verison'], 'There is no flag "--verison" before a command. Did you mean "--version"?'],
  [['-v'], 'There is no flag "-v" before a command. Did you mean "-V"?'],
  [['publish', '--dta', '{}'], 'There is no flag --dta. Did you mean "--data"?'],
  [['publish', '--haeder=a: b'], 'There is no flag --haeder. Did you mean "--header"?'],
  [['stats', '--wtach'], 'There is no flag --wtach. Did you mean "--watch"?'],
  [['sql', '--jsno', 'SELECT 1'], 'There is no flag --jsno. Did you mean "--json"?'],
  [['sql', '--nonsense', 'SELECT 1'], 'There is no flag --nonsense. (--help shows the flags)'],
])('%j exits with 2 and the suggestion: %s', async (args, suggestion) => {
  const { code, stdout, stderr } = await outcomeOf(args);
  expect(stderr).toContain(suggestion);
  expect([code, stdout]).toEqual([2, '']);
});

test.each(COMMANDS)('%s exits with 2 at an unknown flag', async (command) => {
  const { code, stderr } = await outcomeOf([command, '--nonsense']);
  expect(stderr).toContain('--nonsense');
  expect(code).toBe(2);
});

test.each(TOOLS)('npm run %s -- --help shows its usage', { timeout: 130_000 }, async (script) => {
  const { code, stdout } = await runScript(script, '--', '--help');
  expect(stdout).toMatch(new RegExp(`^Usage: npm run ${script} -- \\[flags\\]`, 'm'));
  expect(code).toBe(0);
});

test.each(TOOLS)('npm run %s exits with 2 at an unknown flag', {
  timeout: 130_000,
}, async (script) => {
  const { code, stderr } = await runScript(script, '--', '--nonsense');
  expect(stderr).toContain('--nonsense');
  expect(code).toBe(2);
});

test('the help of the program lists no development tool', async () => {
  const { stdout } = await outcomeOf(['--help']);
  expect(stdout).toMatch(/^ {2}publish /m);
  expect(stdout).not.toMatch(/chaos|bench/);
});

test.each([
  '5 parsecs',
  '11m',
  '-1',
  '1.5ms',
])('receive --delay-ms "%s" is an error that names the flag', async (delay) => {
  const { code, stderr } = await outcomeOf(['receive', '--port', '0', `--delay-ms=${delay}`]);
  expect(stderr).toMatch(
    new RegExp(`^--delay-ms: "${delay}" is not a (duration from 0 to 600000|whole number of) milliseconds`),
  );
  expect(code).toBe(2);
});

test('receive prints one line per request, and the totals at Ctrl-C', async () => {
  const program = await runProgram(['receive', '--port', '0', '--delay-ms', '0s']);
  const url = /http:\/\/\S+\d/.exec(await program.waitForLine('listening'))![0];
  await fetch(url, { method: 'POST', headers: { 'webhook-id': 'a' }, body: '{"a":1}' });
  await fetch(url, { method: 'POST', headers: { 'webhook-id': 'a' }, body: '{"a":1}' });
  await program.waitForLine(/POST \/ {2}200 {2}webhook-id=a attempt=2 .*\{"a":1\}$/);
  program.kill('SIGINT');
  expect(await program.waitForExit()).toMatchObject({ code: 0 });
  expect(program.stdout.at(-1)).toBe('2 requests, 1 distinct webhook-ids, 1 doubled');
});
