import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { VERSION } from '../../src/runtime/version.ts';
import { runCommand, runProgram } from '../support/program.ts';
import { outcomeOf } from './programs.ts';

const COMMANDS = ['receive', 'publish', 'stats', 'sql', 'migrate'];
/** Development tools, and their npm scripts: no commands of the program. */
const TOOLS = ['chaos', 'bench', 'bench:memory'];

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

test('examples in a help text name the program, so that they can be pasted', async () => {
  const { stdout } = await outcomeOf(['help', 'publish']);
  expect(stdout).toMatch(/^ {2}node .*dist\/main\.js publish --file events\.ndjson$/m);
});

test('--version tells the version', async () => {
  expect(await outcomeOf(['--version'])).toMatchObject({ stdout: VERSION, code: 0 });
});

test.each(COMMANDS)('%s exits with 2 at a flag that it does not have', async (command) => {
  const { code, stderr } = await outcomeOf([command, '--nonsense']);
  expect(stderr).toContain('--nonsense');
  expect(code).toBe(2);
});

test.each(TOOLS)('npm run %s -- --help shows its usage', { timeout: 130_000 }, async (script) => {
  const { code, stdout } = await runScript(script, '--', '--help');
  expect(stdout).toMatch(new RegExp(`^Usage: npm run ${script} -- \\[flags\\]`, 'm'));
  expect(code).toBe(0);
});

test.each(TOOLS)('npm run %s exits with 2 at a flag that it does not have', {
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

test('receive prints a line a request, and at Ctrl-C what came in all', async () => {
  const program = await runProgram(['receive', '--port', '0']);
  const url = /http:\/\/\S+\d/.exec(await program.waitForLine('listening'))![0];
  await fetch(url, { method: 'POST', headers: { 'webhook-id': 'a' }, body: '{"a":1}' });
  await fetch(url, { method: 'POST', headers: { 'webhook-id': 'a' }, body: '{"a":1}' });
  await program.waitForLine(/POST \/ {2}200 {2}webhook-id=a attempt=2 .*\{"a":1\}$/);
  program.kill('SIGINT');
  expect(await program.waitForExit()).toMatchObject({ code: 0 });
  expect(program.stdout.at(-1)).toBe('2 requests, 1 distinct webhook-ids, 1 doubled');
});
