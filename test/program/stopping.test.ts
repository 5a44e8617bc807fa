import { describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { logOf, openScene, startEndpoint, statisticsOf, stopWorker } from './scene.ts';

/** Starts a worker with one attempt in flight, at an endpoint that does not answer. */
async function startWithHangingAttempt(settings: Record<string, string>) {
  const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
  const worker = await scene.startWorker({ CONSUMER_NAME: 'first', ...settings });
  await scene.publish({ webhook_url: `${endpoint.url}/hang` });
  await until(() => endpoint.requests.length === 1);
  return { scene, endpoint, worker };
}

describe('SIGTERM', () => {
  it('lets attempts in flight finish', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ delayMs: 500 })];
    const worker = await scene.startWorker({ CONSUMER_NAME: 'one' });
    await scene.publishMany(5, endpoint.url);
    await until(() => endpoint.requests.length === 5);
    expect(await stopWorker(worker)).toMatchObject({
      msg: 'worker.stopped',
      processed: 5,
      succeeded: 5,
      drained: 5,
      aborted: 0,
      acksConfirmed: true,
    });
    expect((await statisticsOf(scene)).get('one')).toMatchObject({ messages_acknowledged: 5, active: false });
    expect((await scene.manager.streams.info('WEBHOOKS')).state.messages).toBe(0);
  });

  it('aborts an attempt that outlasts SHUTDOWN_DRAIN_MS without counting it, and parks its message for another worker', async () => {
    const only = { MAX_ATTEMPTS: '1' };
    const { scene, endpoint, worker } = await startWithHangingAttempt({ ...only, SHUTDOWN_DRAIN_MS: '100' });
    await scene.startWorker({ ...only, CONSUMER_NAME: 'second' });
    expect(await stopWorker(worker)).toMatchObject({ processed: 0, drained: 0, aborted: 1 });

    const [first, second] = await until(() => endpoint.requests.length === 2 && endpoint.requests);
    expect(second!.webhookId).toBe(first!.webhookId);
    expect((await statisticsOf(scene)).get('first')).toMatchObject({
      messages_delivered: 0,
      messages_handed_back: 0,
      messages_parked: 1,
      active: false,
    });
    endpoint.recover();
    await until(async () => (await statisticsOf(scene)).get('second')?.messages_acknowledged === 1);
  });

  it('ends the pulls of a worker', async () => {
    const { scene, endpoint, worker } = await startWithHangingAttempt({});
    worker.kill();
    // Messages that are on their way still arrive. `num_waiting` is 0 when no pull is left.
    await until(
      async () => (await scene.manager.consumers.info('WEBHOOKS', 'webhook-workers')).num_waiting === 0,
    );
    await scene.publish({ webhook_url: `${endpoint.url}/late` });
    endpoint.recover();
    await worker.waitForExit();
    expect(endpoint.requests.map(({ path }) => path)).toEqual(['/hang']);
  });
});

describe('a second signal', () => {
  it('within a second counts as the first signal', async () => {
    const { endpoint, worker } = await startWithHangingAttempt({});
    worker.kill('SIGINT');
    worker.kill('SIGTERM');
    await worker.waitForLine(/worker\.draining/);
    endpoint.recover();
    expect(await worker.waitForExit()).toEqual({ code: 0, signal: null });
    expect(logOf(worker).at(-1)).toMatchObject({ msg: 'worker.stopped', drained: 1 });
  });

  it('after more than a second ends the program at once, with an exit code other than 0', async () => {
    const { worker } = await startWithHangingAttempt({ SHUTDOWN_DRAIN_MS: '600000' });
    // Signals within the first second change nothing.
    await until(() => {
      worker.kill();
      return worker.child.exitCode !== null;
    });
    expect(await worker.waitForExit()).toEqual({ code: 143, signal: null });
  });
});

describe('SIGINT', () => {
  it('stops a worker as SIGTERM does', async () => {
    const worker = await (await openScene()).startWorker();
    worker.kill('SIGINT');
    expect(await worker.waitForExit()).toEqual({ code: 0, signal: null });
  });
});
