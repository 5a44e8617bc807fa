import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { allSettled, deadLetterOf, logOf, openScene, startEndpoint } from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const QUICK = { ACK_WAIT_MS: '1000', ATTEMPT_TIMEOUT_MS: '500', BACKOFF_BASE_MS: '10', CONCURRENCY: '20' };
const MESSAGES = 200;

describe('a nats-server that is stopped (SIGSTOP) for longer than the ack wait', () => {
  it('loses no message', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ delayMs: 20 })];
    await scene.startWorker(QUICK);
    await scene.publishMany(MESSAGES, endpoint.url);
    await until(() => endpoint.received().webhookIds > 20);
    process.kill(scene.nats.pid, 'SIGSTOP');
    const stoppedAt = Date.now();
    await until(() => Date.now() - stoppedAt > 2 * Number(QUICK.ACK_WAIT_MS));
    process.kill(scene.nats.pid, 'SIGCONT');
    await allSettled(scene, 40_000);
    expect(endpoint.received().webhookIds).toBe(MESSAGES);
  });
});

describe('a worker that is stopped (SIGSTOP) for longer than the ack wait', () => {
  it('loses no message: another worker takes over, and the stopped worker goes on after SIGCONT', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ delayMs: 20 })];
    const start = (name: string) => scene.startWorker({ ...QUICK, CONSUMER_NAME: name });
    const [stopped] = await Promise.all([start('stopped'), start('peer')]);
    await scene.publishMany(MESSAGES, endpoint.url);
    await until(() => endpoint.received().webhookIds > 20);
    stopped.child.kill('SIGSTOP');
    await allSettled(scene, 40_000);
    stopped.child.kill('SIGCONT');
    await scene.publishMany(MESSAGES, endpoint.url);
    await allSettled(scene, 40_000);
    expect(endpoint.received().webhookIds).toBe(2 * MESSAGES);
  });
});

describe('a message that kills every worker that takes it', () => {
  it('becomes a dead letter after MAX_ATTEMPTS requests, and kills no other worker', async () => {
    const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
    // A busy machine must see the request and kill the worker before the timeout, or another attempt would follow.
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
    const deadLetter = await deadLetterOf(scene, sequence);
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
    expect(endpoint.requests).toHaveLength(2);
    expect(survivor.child.exitCode).toBeNull();
    await allSettled(scene, 40_000);
  });
});

const accountConfig = (jetstream: 'enabled' | 'disabled', more = '') =>
  `accounts { A { jetstream: ${jetstream}, users: [ { user: worker, password: x ${more} }, { user: test, password: x } ] } }`;

/** Opens a scene whose worker has its own NATS user. */
async function sceneWithUsers() {
  const nats = await startTestNats({ config: accountConfig('enabled') });
  const scene = await openScene({ nats, login: { user: 'test', pass: 'x' } });
  const env = { ...QUICK, NATS_USER: 'worker', NATS_PASS: 'x' };
  return { scene, env, ...(await startWorkerWithHealth(scene, env)) };
}

describe.concurrent('JetStream that is disabled for the account', () => {
  it('at the start ends the worker, and the error names the cure', async () => {
    const nats = await startTestNats({ config: accountConfig('disabled') });
    const worker = await runProgram(['worker'], {
      env: { NATS_URL: nats.url, NATS_USER: 'worker', NATS_PASS: 'x', HTTP_PORT: '0' },
    });
    expect(await worker.waitForExit()).toMatchObject({ code: 1 });
    expect(worker.stderr.join('\n')).toMatch(/our account may not use it. Add `jetstream: enabled`/);
  });

  it('later makes /health failing; deliveries go on when JetStream is enabled again', async () => {
    const { scene, worker, healthIs } = await sceneWithUsers();
    const endpoint = await startEndpoint();
    await healthIs({ status: 'ok' });
    await scene.nats.reload(accountConfig('disabled'));
    await healthIs({ code: 503, status: 'failing' });
    await worker.waitForLine(/worker\.failing/);
    await scene.nats.reload(accountConfig('enabled'));
    await healthIs({ code: 200, status: 'ok' });
    await scene.publishMany(20, endpoint.url);
    await until(() => endpoint.received().webhookIds === 20);
  });
});

describe.concurrent('the permission', () => {
  it.each([
    { permission: 'to pull', operation: 'publish', denied: '$JS.API.CONSUMER.MSG.NEXT.>' },
    { permission: 'to ack', operation: 'publish', denied: '$JS.ACK.>' },
    { permission: 'to receive', operation: 'subscribe', denied: '_INBOX.>' },
  ])('$permission makes /health failing when it is denied, and is logged at most 3 times; deliveries go on when it is granted', async ({
    operation,
    denied,
  }) => {
    const { scene, worker, healthIs } = await sceneWithUsers();
    const endpoint = await startEndpoint();
    await healthIs({ status: 'ok' });
    await scene.nats.reload(
      accountConfig('enabled', `, permissions: { ${operation}: { deny: ["${denied}"] } }`),
    );
    await scene.publishMany(20, endpoint.url);
    await healthIs({
      code: 503,
      troubles: { nats: expect.stringContaining(`${operation} to "${denied.slice(0, 8)}`) },
    });
    const warnings = logOf(worker).filter(({ msg }) => msg === 'nats.permission_denied');
    expect(warnings.length).toBeLessThanOrEqual(3);
    await scene.nats.reload(accountConfig('enabled'));
    await allSettled(scene, 40_000);
    expect(endpoint.received().webhookIds).toBe(20);
    await healthIs({ code: 200, status: 'ok' });
  });
});
