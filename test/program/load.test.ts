import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/clean-up.ts';
import { runCommand, runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { loadCommands, NEEDS_RELAY } from './manual.ts';
import { openScene, type Scene, startEndpoint, stopWorker } from './scene.ts';

/** The manual says that its commands run in this folder. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const commandsOfManual = loadCommands().filter((line) => !NEEDS_RELAY.test(line));

let scene: Scene;

const startLoad = (...flags: string[]) => runProgram(['load', ...flags], { env: scene.env });

async function load(...flags: string[]) {
  const program = await startLoad(...flags);
  const { code } = await program.waitForExit({ timeoutMs: 60_000 });
  return { code, stdout: program.stdout.join('\n'), stderr: program.stderr.join('\n') };
}

async function loadJson(...flags: string[]) {
  const { code, stdout, stderr } = await load('--json', ...flags);
  return { code, stderr, result: JSON.parse(stdout) };
}

describe('load with a worker', () => {
  beforeAll(async () => {
    scene = await openScene();
    await scene.startWorker();
  });

  it('sends, counts what arrives, and ends with 0 if everything is accounted for', async () => {
    const flags = [
      '--rate',
      '400',
      '--count',
      '400',
      '--burst',
      '1..20',
      '--size',
      '64..2000',
      '--seed',
      '7',
    ];
    const { code, stdout } = await load('--receiver', '--verify', ...flags);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ sent +\| +400 \|$/m);
    expect(stdout).toMatch(/^ delivered +\| +400 \|$/m);
    expect(stdout).toMatch(/^ lost +\| +0 \|$/m);
    expect(stdout).toMatch(/^ p99 +\| +[\d.]+ m?s \|$/m);
    expect(stdout).toMatch(/^seed 7$/m);
  });

  it('prints the same as JSON', async () => {
    const { code, result } = await loadJson('--receiver', '--verify', '--count', '20', '--rate', '200');
    expect(code).toBe(0);
    expect(result).toMatchObject({ via: 'nats', sent: 20, stored: 20, delivered: 20, lost: 0, doubled: 0 });
    expect(result).toMatchObject({ missing: [], allAccountedFor: true, problems: [] });
    expect(result.latencyMs.p50).toBeGreaterThan(0);
    expect(result.latencyMs.max).toBeGreaterThanOrEqual(result.latencyMs.p50);
  });

  it('counts webhooks that its receiver fails at first as delivered by their retry', async () => {
    const { code, result } = await loadJson('--receiver', '--verify', '--count', '3', '--fail-first', '1');
    expect(code).toBe(0);
    expect(result).toMatchObject({ delivered: 3, failedOnPurpose: 3, doubled: 0 });
  });

  it('sends the events of a file to an endpoint, again and again until its count', async () => {
    const endpoint = await startEndpoint();
    const path = join(await temporaryFolder(), 'events.ndjson');
    await writeFile(path, '{"n": 1.0}\n{"n":2}\n');
    const { code, result } = await loadJson('--url', `${endpoint.url}/hook`, '--file', path, '--count', '3');
    expect(code).toBe(0);
    expect(result).toMatchObject({ sent: 3, stored: 3, delivered: null, lost: null, allAccountedFor: null });
    await until(() => endpoint.requests.length === 3);
    const bodies = endpoint.requests.map(({ body }) => body.toString()).sort();
    expect(bodies).toEqual(['{"n": 1.0}', '{"n": 1.0}', '{"n":2}']);
  });

  it('sends the payload alone to a name, which may be a row', async () => {
    const endpoint = await startEndpoint();
    await scene.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('orders', $1)`, [endpoint.url]);
    expect(await load('--name', 'orders', '--count', '2', '--size', '100')).toMatchObject({ code: 0 });
    await until(() => endpoint.requests.length === 2);
    expect(endpoint.requests[0]!.bodyBytes).toBe(100);
  });

  it('names the dead letters among the missing', async () => {
    const worker = await scene.startWorker({
      QUEUE_GROUP: 'strict',
      SUBJECT: 'strict.*',
      STREAM_NAME: 'STRICT',
      MAX_ATTEMPTS: '1',
    });
    const program = await runProgram(
      ['load', '--receiver', '--verify', '--json', '--count', '2', '--fail-first', '1'],
      {
        env: { ...scene.env, QUEUE_GROUP: 'strict', SUBJECT: 'strict.*', STREAM_NAME: 'STRICT' },
      },
    );
    expect(await program.waitForExit()).toMatchObject({ code: 1 });
    const { missing } = JSON.parse(program.stdout.join(''));
    expect(missing).toHaveLength(2);
    expect(missing[0].fate).toMatch(/^dead letter exhausted: .*500/);
    worker.kill();
  });

  it('starts although its receiver fails the first attempts for longer than a first message may take', async () => {
    const flags = ['--receiver', '--count', '1', '--fail-first', '100', '--wait', '1s'];
    expect(await loadJson(...flags)).toMatchObject({ code: 0, result: { stored: 1, delivered: 0, lost: 1 } });
  });

  it.each(commandsOfManual)('a command of the manual ends with 0: %s', async (line) => {
    const shorter = line.replace(/--duration \w+/, '--duration 2s');
    const program = await runCommand('/bin/sh', ['-c', shorter], { cwd: ROOT, env: scene.env });
    expect(await program.waitForExit({ timeoutMs: 60_000 })).toMatchObject({ code: 0 });
  });

  it('refused messages are accounted for, and their reason is printed', async () => {
    const info = await scene.manager.streams.info('WEBHOOKS');
    await scene.manager.streams.update('WEBHOOKS', { ...info.config, max_msg_size: 1000 });
    try {
      const { code, result, stderr } = await loadJson(
        ...['--receiver', '--verify', '--count', '40', '--rate', '200', '--size', '300..2000', '--seed', '3'],
      );
      expect(result.refused).toBeGreaterThan(0);
      expect(result).toMatchObject({ sent: 40, delivered: result.stored, lost: 0, allAccountedFor: true });
      expect(result.stored + result.refused).toBe(40);
      expect(stderr).toMatch(/^\d+ refused: .*raise its max_msg_size/m);
      expect(code).toBe(0);
    } finally {
      await scene.manager.streams.update('WEBHOOKS', info.config);
    }
  });

  it('Ctrl-C ends sending, and the table counts what was sent until then', async () => {
    const program = await startLoad('--receiver', '--verify', '--rate', '50', '--duration', '10m', '--json');
    await program.waitForLine(/delivered [1-9]/);
    program.kill('SIGINT');
    expect(await program.waitForExit()).toMatchObject({ code: 0 });
    const result = JSON.parse(program.stdout.join(''));
    expect(result.sent).toBeGreaterThan(0);
    expect(result).toMatchObject({ delivered: result.sent, lost: 0 });
  });
});

describe('load without a worker that can deliver', () => {
  it('says that no stream exists', async () => {
    scene = await openScene();
    const { code, stderr } = await load('--receiver', '--verify');
    expect(stderr).toMatch(/^Nothing was sent: no stream carries the subject webhooks\.load; a worker/m);
    expect(code).toBe(1);
  });

  it('says that no worker runs, and sends nothing more', async () => {
    scene = await openScene();
    await stopWorker(await scene.startWorker());
    const { code, stderr } = await load('--receiver', '--verify');
    expect(stderr).toMatch(/^A first message did not arrive, so nothing more was sent\. No worker runs/m);
    expect(code).toBe(1);
    expect((await scene.manager.streams.info('WEBHOOKS')).state.messages).toBe(1);
  });

  it('says which setting allows the address of the receiver', async () => {
    scene = await openScene();
    await scene.startWorker({ ALLOWED_PRIVATE_CIDRS: '' });
    const { code, stderr } = await load('--receiver');
    expect(stderr).toMatch(/dead letter forbidden.*ALLOWED_PRIVATE_CIDRS=127\.0\.0\.0\/8/);
    expect(code).toBe(1);
  });

  it('names the ids that are missing when the worker dies', async () => {
    scene = await openScene();
    const worker = await scene.startWorker();
    const program = await startLoad(
      '--receiver',
      '--verify',
      '--json',
      '--rate',
      '20',
      '--count',
      '200',
      '--wait',
      '2s',
    );
    await program.waitForLine(/delivered [1-9]/);
    worker.kill('SIGKILL');
    expect(await program.waitForExit()).toMatchObject({ code: 1 });
    const result = JSON.parse(program.stdout.join(''));
    expect(result.stored).toBe(200);
    expect(result.lost).toBe(200 - result.delivered);
    expect(result.missing).toHaveLength(result.lost);
    expect(result.allAccountedFor).toBe(false);
    const [{ id }] = result.missing;
    expect(id).toMatch(/^load-[0-9a-f]{8}-\d+$/);
    expect(program.stderr.join('\n')).toContain(`messages stored and not delivered: ${id}, `);
  });
});
