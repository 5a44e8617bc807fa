import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { type RunningProgram, runProgram } from '../support/program.ts';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import {
  allSettled,
  attemptsLogged,
  logOf,
  openScene,
  type Scene,
  startEndpoint,
  stopWorker,
} from './scene.ts';

/** Runs a worker that delivers one webhook and stops. Returns the worker with its output. */
async function runWith(settings: Record<string, string>): Promise<RunningProgram> {
  const [scene, endpoint] = [await openScene(), await startEndpoint()];
  const worker = await scene.startWorker(settings);
  await scene.publish({ webhook_url: endpoint.url });
  await until(() => endpoint.requests.length === 1);
  worker.kill();
  expect(await worker.waitForExit()).toMatchObject({ code: 0 });
  return worker;
}

describe('the log', () => {
  it('is JSON if stdout is not a terminal', async () => {
    const lines = logOf(await runWith({}));
    for (const line of lines)
      expect(line).toMatchObject({
        level: expect.any(String),
        time: expect.any(String),
        msg: expect.any(String),
      });
    expect(lines.at(-1)).toMatchObject({ msg: 'worker.stopped', processed: 1 });
  });

  it('is logfmt up to the last line with LOG_FORMAT=logfmt', async () => {
    const { stdout } = await runWith({ LOG_FORMAT: 'logfmt' });
    for (const line of stdout) expect(line).toMatch(/^(\w+=("(\\.|[^"])*"|\S*) ?)+$/);
    expect(stdout.at(-1)).toMatch(/msg=worker\.stopped/);
    expect(stdout.at(-1)).toMatch(/processed=1/);
  });

  it('is easy to read with LOG_FORMAT=pretty', async () => {
    const { stdout } = await runWith({ LOG_FORMAT: 'pretty' });
    expect(stdout[0]).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] .*INFO/);
    expect(stdout.join('\n')).toMatch(/worker\.stopped[\s\S]*processed.*1/);
  });

  it('has no lines about successful deliveries by default', async () => {
    expect(attemptsLogged(await runWith({}))).toEqual([]);
  });

  it('has one line per attempt with LOG_LEVEL=debug', async () => {
    expect(attemptsLogged(await runWith({ LOG_LEVEL: 'debug' }))).toMatchObject([
      {
        level: 'debug',
        subject: 'webhooks.test',
        attemptNumber: 1,
        outcome: 'responded',
        status: 200,
        verdict: 'ack',
      },
    ]);
  });

  it('is empty with LOG_LEVEL=silent', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
    await scene.publish({ webhook_url: endpoint.url });
    const worker = await runProgram(['worker'], { env: { ...scene.env, LOG_LEVEL: 'silent' } });
    await until(() => endpoint.requests.length === 1);
    worker.kill();
    await worker.waitForExit();
    expect([...worker.stdout, ...worker.stderr]).toEqual([]);
  });
});

describe('secrets', () => {
  /** Every secret contains this word, and nothing else does. */
  const SECRET = 'xyzzy';
  const messages = (endpoint: string, closedPort: number): unknown[] => {
    const headers = { Authorization: `Bearer ${SECRET}-header` };
    const to = (url: string, more = {}) => ({
      webhook_url: `${url}?token=${SECRET}-query`,
      headers,
      params: { key: `${SECRET}-param` },
      data: { password: `${SECRET}-data` },
      ...more,
    });
    return [
      to(`${endpoint}/status/200`),
      to(`${endpoint}/status/500`),
      to(`${endpoint}/status/410`),
      to(`${endpoint}/redirect`),
      to(`${endpoint}/reset`),
      to(`${endpoint}/hang`),
      to(`http://127.0.0.1:${closedPort}/nobody`),
      to('http://nobody.invalid/hook'),
      to('http://10.0.0.1/private'),
      to(`http://user:${SECRET}-userinfo@127.0.0.1:1/`),
      to(endpoint.replace('//', `//user:${SECRET}-userinfo@`)),
      to('no url'),
      to('ftp://127.0.0.1/'),
      to('http://[bad]/'),
      to(`${endpoint}/status/200`, { headers: { Authorization: `Bearer ${SECRET}\r\nX: y` } }),
      to(`${endpoint}/status/200`, { headers: { 'Bad Name': `${SECRET}-value` } }),
      to(`${endpoint}/status/200`, { headers: { Host: `${SECRET}-host` } }),
      to(`${endpoint}/status/200`, { headers: [`${SECRET}-list`] }),
      to(`${endpoint}/status/200`, { method: `${SECRET}-method` }),
      to(`${endpoint}/status/200`, { params: `${SECRET}-params` }),
      Buffer.from(`{"webhook_url":"${endpoint}?token=${SECRET}","data":{"password":"${SECRET}`),
      { password: `${SECRET}-bare` },
    ];
  };
  let scene: Scene;
  let output: string;

  beforeAll(async () => {
    const [nats, endpoint] = [
      await startTestNats({ config: `authorization { user: worker, password: "${SECRET}-nats" }` }),
      await startMisbehavingEndpoint(),
    ];
    scene = await openScene({ nats, login: { user: 'worker', pass: `${SECRET}-nats` } });
    const worker = await scene.startWorker({
      LOG_LEVEL: 'trace',
      MAX_ATTEMPTS: '1',
      ATTEMPT_TIMEOUT_MS: '300',
      NATS_USER: 'worker',
      NATS_PASS: `${SECRET}-nats`,
    });
    const published = messages(endpoint.url, await freePort());
    for (const message of published)
      await scene.publish(message, { headers: { Authorization: `${SECRET}-nats-header` } });
    await allSettled(scene);
    await stopWorker(worker);
    expect(attemptsLogged(worker)).toHaveLength(published.length);
    output = [...worker.stdout, ...worker.stderr].join('\n');
  });

  it('are in no log line at any level', () => {
    expect(output.split('\n').filter((line) => line.includes(SECRET))).toEqual([]);
  });

  it('are in no table', async () => {
    const tables = await scene.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND relnamespace = 'public'::regnamespace`,
    );
    expect(tables.length).toBeGreaterThan(5);
    for (const { name } of tables) {
      const rows = await scene.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
      expect(rows.filter(({ row }) => row.includes(SECRET)).map(({ row }) => `${name}: ${row}`)).toEqual([]);
    }
  });
});
