import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { type RunningProgram, runProgram } from '../support/program.ts';
import { createTestDatabase, startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { openApiScene, request } from './api-scene.ts';
import { logOf, openScene } from './scene.ts';

async function startWithoutNats(
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly program: RunningProgram; readonly url: string; readonly natsPort: number }> {
  const [port, natsPort] = [await freePort(), await freePort()];
  const program = await runProgram(['api'], {
    env: {
      NATS_URL: `nats://127.0.0.1:${natsPort}`,
      DATABASE_URL: (await createTestDatabase()).url,
      API_AUTH: 'open',
      PORT: String(port),
      ADMIN_PORT: '0',
      ...env,
    },
  });
  return { program, url: `http://127.0.0.1:${port}`, natsPort };
}

/** The answer, as soon as the port is open. */
const answerOf = (url: string, init?: RequestInit) => until(() => request(url, init).catch(() => null));
const post = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  request(`${url}/webhooks/orders`, { method: 'POST', body: '1', headers });

describe('an API that starts while NATS is away', () => {
  it('answers 503, says so in /health, and takes webhooks once NATS is there', async () => {
    const { program, url, natsPort } = await startWithoutNats();
    expect((await answerOf(`${url}/health/live`)).status).toBe(200);
    const ready = await request(`${url}/health/ready`);
    expect([ready.status, ready.json.status, ready.json.checks.nats.ok]).toEqual([503, 'failing', false]);
    await until(async () => (await request(`${url}/health`)).json.checks.postgres.ok);
    expect((await post(url)).status).toBe(404);
    const refused = await request(`${url}/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"webhook_url":"https://example.com/hook","data":1}',
    });
    expect([refused.status, refused.json.type, refused.headers.get('retry-after')]).toEqual([
      503,
      '/docs#nats-away',
      '1',
    ]);
    expect(logOf(program).map(({ msg }) => msg)).not.toContain('api.started');
    await startTestNats({ port: natsPort });
    await program.waitForLine(/api\.started/);
    expect((await request(`${url}/health/ready`)).status).toBe(200);
    program.kill();
    expect(await program.waitForExit()).toEqual({ code: 0, signal: null });
  });

  it('ends with code 0 at SIGTERM', async () => {
    const { program, url } = await startWithoutNats();
    await answerOf(`${url}/health`);
    program.kill();
    expect(await program.waitForExit()).toEqual({ code: 0, signal: null });
    expect(logOf(program).at(-1)).toMatchObject({ msg: 'api.start_cancelled' });
  });

  it('ends with an error if its port is in use', async () => {
    const first = await startWithoutNats();
    await answerOf(`${first.url}/health`);
    const second = await startWithoutNats({ PORT: new URL(first.url).port });
    expect(await second.program.waitForExit()).toEqual({ code: 1, signal: null });
    expect(second.program.stderr.join('\n')).toContain('PORT: port');
  });
});

it('an API whose two ports are equal names both settings and the cure', async () => {
  const port = String(await freePort());
  for (const [command, env] of [
    ['api', { ADMIN_PORT: port }],
    ['all', { ADMIN_PORT: '0', HTTP_PORT: port }],
  ] as const) {
    const program = await runProgram([command], { env: { API_AUTH: 'open', PORT: port, ...env } });
    expect(await program.waitForExit()).toEqual({ code: 1, signal: null });
    expect(program.stderr.join('\n')).toMatch(/^PORT and (ADMIN|HTTP)_PORT are both \d+\. Set one of them/);
  }
});

describe('the streams of an API without a worker', () => {
  it('are made at its start, also the one of ordered webhooks', async () => {
    const { scene, api } = await openApiScene({ orders: 'http://127.0.0.1:1/' });
    await until(async () => (await post(api.url)).status === 202);
    expect((await post(api.url, { 'ordering-key': 'customer 17' })).json).toMatchObject({
      ok: true,
      stream: 'WEBHOOKS_ORDERED',
    });
    // A worker finds them as it would make them.
    const worker = await scene.startWorker();
    const said = logOf(worker).filter(({ msg }) => /^(stream|consumer|ordering)\./.test(String(msg)));
    expect(said.map(({ msg, kind }) => [msg, kind])).toEqual([
      ['stream.created', 'deadLetters'],
      ['stream.created', 'parked'],
    ]);
  });

  it('are made again if somebody deletes them', async () => {
    const { scene, api } = await openApiScene({ orders: 'http://127.0.0.1:1/' });
    await until(async () => (await post(api.url)).status === 202);
    await scene.manager.streams.delete('WEBHOOKS');
    await scene.manager.streams.delete('WEBHOOKS_ORDERED');
    expect((await post(api.url)).json).toMatchObject({ status: 503, type: '/docs#no-stream' });
    await until(async () => (await post(api.url)).status === 202);
    await until(async () => (await post(api.url, { 'ordering-key': 'k' })).status === 202);
    expect(
      logOf(api.program)
        .filter(({ msg }) => msg === 'stream.recreated')
        .map(({ stream }) => stream),
    ).toEqual(['WEBHOOKS', 'WEBHOOKS_ORDERED']);
  });

  it('with ORDERED_SUBJECT=off have none of ordered webhooks', async () => {
    const scene = await openScene();
    const api = await startWithoutNats({ NATS_URL: scene.env.NATS_URL!, ORDERED_SUBJECT: 'off' });
    await api.program.waitForLine(/api\.started/);
    const names = await scene.manager.streams.names().next();
    expect(names).toEqual(['WEBHOOKS']);
  });
});
