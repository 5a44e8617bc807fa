import { cp, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { isRunning } from '../../src/embedded/process/process-identity.ts';
import { temporaryFolder } from '../support/clean-up.ts';
import { type RunningProgram, runCommand } from '../support/program.ts';
import { until } from '../support/wait.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A built clone. `up` keeps its data beside the program. */
let clone: string;

beforeAll(async () => {
  clone = await temporaryFolder();
  // `up` reads .env in its working folder, as `npm start` does in a clone.
  for (const name of ['.env', 'dist', 'sql', 'package.json'])
    await cp(join(ROOT, name), join(clone, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
});

/** Runs a command in another folder than the clone, as in another terminal. */
const run = (...args: string[]) => runCommand(process.execPath, [join(clone, 'dist/main.js'), ...args]);

async function up(env: Record<string, string> = {}, ...flags: string[]): Promise<RunningProgram> {
  const program = await runCommand(process.execPath, [join(clone, 'dist/main.js'), 'up', ...flags], {
    env,
    cwd: clone,
  });
  await program.waitForLine('Ctrl-C stops everything', { timeoutMs: 60_000 });
  return program;
}

/** The process ids of the nats-server and the PostgreSQL of `up`. */
async function serverPids(): Promise<{ nats: number; postgres: number }> {
  const pidIn = async (file: string) =>
    Number.parseInt(await readFile(join(clone, '.data', file), 'utf8'), 10);
  return {
    nats: await pidIn('nats/nats-server.pid'),
    postgres: await pidIn('postgres/cluster/postmaster.pid'),
  };
}

async function outputOf(program: RunningProgram): Promise<string> {
  expect(await program.waitForExit()).toMatchObject({ code: 0 });
  return program.stdout.join('\n');
}

describe('up', () => {
  it('delivers a webhook, and prints commands that work', async () => {
    const program = await up();
    await program.waitForLine(/^received .*POST \/first {2}200/);
    const lines = program.stdout.filter((line) => line.startsWith('  node '));
    expect(lines).toHaveLength(3);
    for (const line of lines) await outputOf(await runCommand('/bin/sh', ['-c', `${line} </dev/null`]));
    await program.waitForLine(/^received .*POST \/hello {2}200.*\{"hello":"world"\}/);

    const curl = program.stdout.find((line) => line.startsWith('  curl '))!;
    const posted = () => runCommand('/bin/sh', ['-c', `${curl} -s`]).then(outputOf);
    expect(JSON.parse(await posted())).toMatchObject({ ok: true, duplicate: false });
    await program.waitForLine(/^received .*POST \/payments {2}200.*"evt_1"/);
    expect(JSON.parse(await posted())).toMatchObject({ ok: true, duplicate: true });
    const badPayment = await runCommand('/bin/sh', ['-c', `${curl.replace('"5000"', '5000')} -s`]);
    expect(JSON.parse(await outputOf(badPayment))).toMatchObject({
      status: 422,
      errors: [{ pointer: '/amount' }],
    });

    await outputOf(await run('sql', `SELECT webhook_enqueue('payments', '{"event_id": "evt_2"}')`));
    await program.waitForLine(/^received .*POST \/payments {2}200.*"evt_2"/);

    const secondLine = program.stdout.find((line) => line.includes('CONSUMER_NAME=webhook-worker-2'))!;
    const worker = await runCommand('/bin/sh', ['-c', `exec env ${secondLine.trim()}`]);
    await worker.waitForLine(/"worker":"webhook-worker-2"/);
    worker.kill();
    expect(await worker.waitForExit()).toMatchObject({ code: 0 });
    // The default settings give up early, and say so.
    const said = [...worker.stdout, ...worker.stderr].filter((line) => !line.includes('"retries.end_early"'));
    expect(said.join('')).not.toMatch(/"level":"(warn|error)"/);

    const second = await run('up');
    expect(await second.waitForExit()).toMatchObject({ code: 1 });
    expect(second.stderr.join('')).toContain(`Process ${program.pid} already runs on`);
    expect(second.stdout).toEqual([]);

    const pids = await serverPids();
    program.kill();
    expect(await program.waitForExit()).toEqual({ code: 0, signal: null });
    expect([isRunning(pids.nats), isRunning(pids.postgres)]).toEqual([false, false]);
  });

  it('prints a line for the API that has a key if the API needs one', async () => {
    const program = await up({ API_AUTH: 'keys' }, '--fresh');
    const curl = program.stdout.find((line) => line.startsWith('  curl '))!;
    const answerTo = async (line: string) =>
      JSON.parse(await outputOf(await runCommand('/bin/sh', ['-c', `${line} -s`])));
    expect(await answerTo(curl)).toMatchObject({ ok: true });
    expect(await answerTo(curl.replace(/whk_\w+/, 'none'))).toMatchObject({ status: 401 });
    expect(program.stdout.join('\n').match(/whk_/g)).toHaveLength(1);
    program.kill();
    expect(await program.waitForExit()).toMatchObject({ code: 0 });
  });

  it('leaves no server running after kill -9, and finds its data again', async () => {
    const first = await up();
    const pids = await serverPids();
    first.kill('SIGKILL');
    await until(() => !isRunning(pids.nats) && !isRunning(pids.postgres));
    const second = await up();
    const rows = await outputOf(
      await run('sql', '--json', 'SELECT count(*) > 1 AS kept FROM nats_deliveries'),
    );
    expect(rows).toContain('"kept":"t"');
    second.kill();
    expect(await second.waitForExit()).toMatchObject({ code: 0 });
  });

  it('begins with empty data if it is told to', async () => {
    const fresh = await up({}, '--fresh');
    const rows = await outputOf(
      await run('sql', '--json', 'SELECT count(*) FROM rule_nats_worker_instances'),
    );
    expect(rows).toContain('"count":1');
    expect(fresh.stdout.join('\n')).toMatch(/migration\.applied.*0001_/);
    fresh.kill();
    expect(await fresh.waitForExit()).toMatchObject({ code: 0 });
  });
});

describe('up in a failure', () => {
  it('names the port that is in use', async () => {
    const usedPort = await freePort();
    const holder = await run('receive', '--port', String(usedPort));
    await holder.waitForLine('listening');
    const program = await up({ HTTP_PORT: String(usedPort) });
    expect(program.stdout.join('\n')).toMatch(
      new RegExp(`Page +http://127.0.0.1:\\d+/ +\\(port ${usedPort} is in use\\)`),
    );
    program.kill();
    expect(await program.waitForExit()).toMatchObject({ code: 0 });
  });

  it.each([
    'nats',
    'postgres',
  ] as const)('ends, and names the reason, when its %s server is killed', async (name) => {
    const program = await up();
    process.kill((await serverPids())[name], 'SIGKILL');
    expect(await program.waitForExit()).toMatchObject({ code: 1 });
    expect(program.stdout.join('\n')).toMatch(/(nats-server|PostgreSQL) has ended \(SIGKILL\)/);
  });
});
