import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import {
  allSettled,
  type Endpoint,
  openScene,
  type Scene,
  startEndpoint,
  statisticsOf,
  stopWorker,
  sumOf,
} from './scene.ts';

const MESSAGES = 3000;

describe('three workers of one group', () => {
  let scene: Scene;
  let endpoint: Endpoint;
  let workers: RunningProgram[];
  let lastLines: Record<string, unknown>[];

  beforeAll(async () => {
    scene = await openScene();
    endpoint = await startEndpoint();
    workers = await Promise.all(
      ['a', 'b', 'c'].map((name) => scene.startWorker({ CONSUMER_NAME: name, CONCURRENCY: '20' })),
    );
    await scene.publishMany(MESSAGES, endpoint.url);
    await until(() => endpoint.received().webhookIds === MESSAGES);
    lastLines = await Promise.all(workers.map(stopWorker));
  });

  it('send each message once', () => {
    expect(endpoint.received()).toMatchObject({ requests: MESSAGES, webhookIds: MESSAGES, doubled: 0 });
  });

  it('all deliver some of the messages', async () => {
    for (const row of (await statisticsOf(scene)).values()) expect(row.messages_delivered).toBeGreaterThan(0);
  });

  it('have statistics that add up to all messages', async () => {
    const rows = await statisticsOf(scene);
    expect([...rows.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect(sumOf(rows, 'messages_delivered')).toBe(MESSAGES);
    expect(sumOf(rows, 'messages_acknowledged')).toBe(MESSAGES);
  });

  it('record one attempt of each message', async () => {
    const [count] = await scene.query(
      'SELECT count(*)::int AS rows, count(DISTINCT delivery_id)::int AS ids FROM rule_nats_delivery_attempts',
    );
    expect(count).toEqual({ rows: MESSAGES, ids: MESSAGES });
  });

  it('are no longer active after SIGTERM', async () => {
    for (const row of (await statisticsOf(scene)).values()) expect(row.active).toBe(false);
  });

  it('leave nothing in the stream or in the parked stream', async () => {
    await allSettled(scene);
  });

  it('log the totals of the whole run when they stop', async () => {
    const rows = await statisticsOf(scene);
    for (const line of lastLines) {
      expect(line).toMatchObject({
        msg: 'worker.stopped',
        failed: 0,
        average: expect.any(Number),
        uptime: expect.any(Number),
        unflushedRows: 0,
      });
      expect(line.processed).toBe(line.succeeded);
    }
    expect(lastLines.map(({ processed }) => processed)).toEqual(
      ['a', 'b', 'c'].map((name) => rows.get(name)!.messages_delivered),
    );
  });
});

describe('two workers with one CONSUMER_NAME', () => {
  it('share one row, which is active until both workers have stopped', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    const start = () => scene.startWorker({ CONSUMER_NAME: 'same', CONCURRENCY: '10' });
    const [first, second] = await Promise.all([start(), start()]);
    await scene.publishMany(300, endpoint.url);
    await until(() => endpoint.received().webhookIds === 300);

    const one = await stopWorker(first);
    expect((await statisticsOf(scene)).get('same')!.active).toBe(true);
    const other = await stopWorker(second);

    const rows = await statisticsOf(scene);
    expect(rows.size).toBe(1);
    expect(rows.get('same')).toMatchObject({
      messages_delivered: 300,
      messages_acknowledged: 300,
      active: false,
    });
    expect(Number(one.processed) + Number(other.processed)).toBe(300);
  });
});

describe('a worker that starts again', () => {
  it('adds to its earlier row', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    for (const total of [1, 2]) {
      const worker = await scene.startWorker({ CONSUMER_NAME: 'again' });
      await scene.publishMany(1, endpoint.url);
      await until(() => endpoint.received().requests === total);
      await stopWorker(worker);
    }
    expect((await statisticsOf(scene)).get('again')).toMatchObject({ messages_delivered: 2, active: false });
  });
});
