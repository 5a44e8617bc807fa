import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startAskable } from './askable.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { deadLetterOf, drained, logOf, openScene, startEndpoint } from './scene.ts';

const QUICK = { ACK_WAIT_MS: '1000', ATTEMPT_TIMEOUT_MS: '500', BACKOFF_BASE_MS: '10', CONCURRENCY: '20' };
const MESSAGES = 200;

describe('a nats-server that stands still for longer than the ack wait', () => {
  it('loses no message', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ delayMs: 20 })];
    await scene.startWorker(QUICK);
    await scene.publishMany(MESSAGES, endpoint.url);
    await until(() => endpoint.received().webhookIds > 20);
    process.kill(scene.nats.pid, 'SIGSTOP');
    const waited = Date.now();
    await until(() => Date.now() - waited > 2 * Number(QUICK.ACK_WAIT_MS));
    process.kill(scene.nats.pid, 'SIGCONT');
    await drained(scene, 40_000);
    expect(endpoint.received().webhookIds).toBe(MESSAGES);
  });
});

describe('a worker that stands still for longer than the ack wait', () => {
  it('loses no message: its peer takes over, and it goes on when it wakes', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ delayMs: 20 })];
    const start = (name: string) => scene.startWorker({ ...QUICK, CONSUMER_NAME: name });
    const [sleeper] = await Promise.all([start('sleeper'), start('peer')]);
    await scene.publishMany(MESSAGES, endpoint.url);
    await until(() => endpoint.received().webhookIds > 20);
    sleeper.child.kill('SIGSTOP');
    await drained(scene, 40_000);
    sleeper.child.kill('SIGCONT');
    await scene.publishMany(MESSAGES, endpoint.url);
    await drained(scene, 40_000);
    expect(endpoint.received().webhookIds).toBe(2 * MESSAGES);
  });
});

describe('a message that kills every worker that takes it', () => {
  it('ends as a dead letter after MAX_ATTEMPTS requests, and kills no more', async () => {
    const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
    // Longer than a busy machine needs to see the request and kill: an attempt that is over would be followed by another.
    const env = { ...QUICK, ACK_WAIT_MS: '6000', ATTEMPT_TIMEOUT_MS: '3000', MAX_ATTEMPTS: '2' };
    let victim = await scene.startWorker(env);
    const sequence = await scene.publish({ webhook_url: `${endpoint.url}/hang` });
    for (const requests of [1, 2]) {
      if (requests > 1) victim = await scene.startWorker(env);
      await until(() => endpoint.requests.length === requests);
      victim.kill('SIGKILL');
      await victim.waitForExit();
    }
    const survivor = await scene.startWorker(env);
    const letter = await deadLetterOf(scene, sequence);
    expect(letter.header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
    expect(endpoint.requests).toHaveLength(2);
    expect(survivor.child.exitCode).toBeNull();
    await drained(scene, 40_000);
  });
});

const account = (jetstream: 'enabled' | 'disabled', more = '') =>
  `accounts { A { jetstream: ${jetstream}, users: [ { user: worker, password: x ${more} }, { user: test, password: x } ] } }`;

/** A scene whose worker has a user of its own. */
async function sceneWithUsers() {
  const nats = await startTestNats({ config: account('enabled') });
  const scene = await openScene({ nats, login: { user: 'test', pass: 'x' } });
  const env = { ...QUICK, NATS_USER: 'worker', NATS_PASS: 'x' };
  return { scene, env, ...(await startAskable(scene, env)) };
}

describe.concurrent('JetStream that is switched off for the account', () => {
  it('at start is an error with the cure', async () => {
    const nats = await startTestNats({ config: account('disabled') });
    const worker = await runProgram(['worker'], {
      env: { NATS_URL: nats.url, NATS_USER: 'worker', NATS_PASS: 'x', HTTP_PORT: '0' },
    });
    expect(await worker.waitForExit()).toMatchObject({ code: 1 });
    expect(worker.stderr.join('\n')).toMatch(/our account may not use it. Add `jetstream: enabled`/);
  });

  it('later fails health and is said once; deliveries go on when it is back', async () => {
    const { scene, worker, healthIs } = await sceneWithUsers();
    const endpoint = await startEndpoint();
    await healthIs({ status: 'ok' });
    await scene.nats.reload(account('disabled'));
    await healthIs({ code: 503, status: 'failing' });
    await worker.waitForLine(/worker\.failing/);
    await scene.nats.reload(account('enabled'));
    await healthIs({ code: 200, status: 'ok' });
    await scene.publishMany(20, endpoint.url);
    await until(() => endpoint.received().webhookIds === 20);
  });
});

describe.concurrent('a right that the worker needs', () => {
  it.each([
    { right: 'to pull', denied: '$JS.API.CONSUMER.MSG.NEXT.>' },
    { right: 'to ack', denied: '$JS.ACK.>' },
  ])('$right, taken away: health fails with the cure, the log says it without a flood, and given back all goes on', async ({
    denied,
  }) => {
    const { scene, worker, healthIs } = await sceneWithUsers();
    const endpoint = await startEndpoint();
    await healthIs({ status: 'ok' });
    await scene.nats.reload(account('enabled', `, permissions: { publish: { deny: ["${denied}"] } }`));
    await scene.publishMany(20, endpoint.url);
    await healthIs({
      code: 503,
      troubles: { nats: expect.stringContaining(`publish to "${denied.slice(0, 8)}`) },
    });
    const said = logOf(worker).filter(({ msg }) => msg === 'nats.permission_denied');
    expect(said.length).toBeLessThanOrEqual(3);
    await scene.nats.reload(account('enabled'));
    await drained(scene, 40_000);
    expect(endpoint.received().webhookIds).toBe(20);
    await healthIs({ code: 200, status: 'ok' });
  });
});
