import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/clean-up.ts';
import type { RunningProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { allOrderedSettled, outOfOrder, publishOrdered, startOrderedEndpoint } from './ordered-scene.ts';
import {
  allSettled,
  type Environment,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  statisticsOf,
  sumOf,
} from './scene.ts';

const SETTABLE = fileURLToPath(new URL('../support/settable-clock.mjs', import.meta.url));
const HOUR = 3_600_000;
const MESSAGES = 20;
const QUICK: Environment = { BACKOFF_BASE_MS: '500', BACKOFF_MAX_MS: '500' };

/** Starts a worker whose time of day the test can set, to differ from the machine's by so many milliseconds. */
async function startWorker(scene: Scene, env: Environment = {}) {
  const file = join(await temporaryFolder(), 'clock');
  const clock = { NODE_OPTIONS: `--import=${SETTABLE}`, CLOCK_FILE: file };
  const worker: RunningProgram = await scene.startWorker({ ...QUICK, ...clock, ...env });
  return async (offsetMs: number) => {
    await writeFile(file, String(offsetMs));
    const sets = worker.stderr.length;
    worker.kill('SIGUSR2');
    await until(() => worker.stderr.length > sets);
  };
}

describe.each([
  ['ahead', HOUR],
  ['back', -HOUR],
])('a clock of a worker that is set an hour %s, and later right again,', (_, offset) => {
  it('loses and doubles nothing: messages in flight, waiting for a retry, parked, and in order', async () => {
    const scene = await openScene();
    const setClock = await startWorker(scene);
    const healthy = await startEndpoint({ delayMs: 200 });
    const flaky = await startOrderedEndpoint(({ request }) => request % 3 !== 0);
    const paused = await startEndpoint();
    const publishFlaky = (from: number) =>
      Promise.all(
        Array.from({ length: MESSAGES }, (_, index) =>
          scene.publish({ webhook_url: flaky.url, data: { key: 'any', n: from + index } }),
        ),
      );
    await setPaused(scene, paused.url, true);
    await until(async () => {
      await scene.publish({ webhook_url: paused.url });
      return (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages > 0;
    });
    let published = 0;
    for (const at of [offset, 0, offset]) {
      await scene.publishMany(MESSAGES, healthy.url);
      await publishFlaky(published);
      published += MESSAGES;
      // Some are in flight, and some wait for a retry.
      await until(() => flaky.seen('any').length > published - MESSAGES);
      await setClock(at);
      await scene.publishMany(MESSAGES, paused.url);
    }
    await publishOrdered(scene, flaky.url, ['a', 'b'], 4);
    await setPaused(scene, paused.url, false);
    await allSettled(scene);
    await allOrderedSettled(scene);
    expect(healthy.received()).toMatchObject({ webhookIds: published, doubled: 0 });
    expect(flaky.accepted('any')).toBe(published);
    expect(flaky.seen('any').filter(({ isAccepted }) => isAccepted).length).toBe(published);
    expect(paused.received().webhookIds).toBeGreaterThan(published);
    expect(paused.received().doubled).toBe(0);
    for (const key of ['a', 'b']) {
      expect(flaky.accepted(key)).toBe(4);
      expect(outOfOrder(flaky.seen(key))).toEqual([]);
    }
    await until(async () => {
      const rows = await statisticsOf(scene);
      expect(sumOf(rows, 'messages_acknowledged')).toBe(2 * published + paused.requests.length + 8);
      expect(sumOf(rows, 'messages_dead_lettered')).toBe(0);
      expect(sumOf(rows, 'rows_dropped')).toBe(0);
      return true;
    });
  });
});

describe('a message with a time, and a clock of its worker that is set', () => {
  const scheduled = (url: string, inMs: number) =>
    [
      { webhook_url: url },
      { headers: { 'Webhook-Deliver-At': new Date(Date.now() + inMs).toISOString() } },
    ] as const;
  const parked = async (scene: Scene) => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages;

  it('is sent by that clock: an hour ahead sends a scheduled message early', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const setClock = await startWorker(scene);
    await scene.publish(...scheduled(endpoint.url, HOUR / 2));
    await until(async () => (await parked(scene)) === 1);
    await setClock(HOUR);
    await until(() => endpoint.requests.length === 1);
    await allSettled(scene);
  });

  it('is not sent while that clock is an hour back, and is sent soon after the clock is right again', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const setClock = await startWorker(scene);
    await setClock(-HOUR);
    await scene.publish(...scheduled(endpoint.url, -1000));
    await until(async () => (await parked(scene)) === 1);
    expect(endpoint.requests.length).toBe(0);
    await setClock(0);
    await until(() => endpoint.requests.length === 1);
    await allSettled(scene);
  });

  it('becomes a dead letter by that clock: an hour ahead expires what expires within the hour', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const setClock = await startWorker(scene);
    await setClock(HOUR);
    const headers = { 'Webhook-Expires-At': new Date(Date.now() + HOUR / 2).toISOString() };
    const sequence = await scene.publish({ webhook_url: endpoint.url }, { headers });
    expect((await scene.deliveryOf(sequence, 'dead-lettered')).dead_letter_reason).toBe('expired');
    expect(endpoint.requests.length).toBe(0);
  });
});
