import { describe, expect, it } from 'vitest';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import {
  allSettled,
  attemptsLogged,
  type Endpoint,
  openScene,
  type Scene,
  startEndpoint,
  statisticsOf,
  stopWorker,
  sumOf,
} from './scene.ts';

const MESSAGES = 2000;
/** After so many deliveries, the process is killed. */
const KILLED_AFTER = 400;
const SLOTS = { CONCURRENCY: '30' };
/** NATS redelivers the messages of a killed worker soon. No attempt times out: a busy machine takes half a second. */
const QUICK_REDELIVERY = { ...SLOTS, ACK_WAIT_MS: '6000', ATTEMPT_TIMEOUT_MS: '3000' };

async function attemptRows(scene: Scene) {
  const [row] = await scene.query<{ rows: number; ids: number; acked: number }>(
    `SELECT count(*)::int AS rows, count(DISTINCT delivery_id)::int AS ids,
       count(*) FILTER (WHERE verdict = 'ack')::int AS acked FROM rule_nats_delivery_attempts`,
  );
  return row!;
}

const arrived = (endpoint: Endpoint, count: number) => until(() => endpoint.received().webhookIds >= count);

describe('kill -9 of a worker during deliveries', () => {
  it('loses no message, and the other worker counts only the messages that it has settled itself', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ delayMs: 20 })];
    const start = (name: string) =>
      scene.startWorker({ ...QUICK_REDELIVERY, CONSUMER_NAME: name, LOG_LEVEL: 'debug' });
    const [victim, survivor] = await Promise.all([start('victim'), start('survivor')]);
    await Promise.all([
      scene.publishMany(MESSAGES, endpoint.url),
      arrived(endpoint, KILLED_AFTER).then(() => {
        victim.kill('SIGKILL');
        expect(endpoint.received().webhookIds).toBeLessThan(MESSAGES);
      }),
    ]);
    await victim.waitForExit();
    await arrived(endpoint, MESSAGES);
    await allSettled(scene);
    await stopWorker(survivor);

    const settled = attemptsLogged(survivor).length;
    const rows = await statisticsOf(scene);
    expect(settled).toBeGreaterThan(0);
    expect(rows.get('survivor')).toMatchObject({
      messages_delivered: settled,
      messages_acknowledged: settled,
      http_attempts: settled,
    });
    // The last counts of the victim were not flushed. Its row may have fewer messages than it has settled, never more.
    const countedForVictim = rows.get('victim')!.messages_delivered;
    expect(countedForVictim).toBeLessThanOrEqual(endpoint.received().requests - settled);
    expect(await attemptRows(scene)).toMatchObject({ rows: settled + countedForVictim });
  });
});

describe('kill -9 and restart of nats-server during deliveries', () => {
  it('loses no message, and counts every request once', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ delayMs: 20 })];
    const start = (name: string) => scene.startWorker({ ...QUICK_REDELIVERY, CONSUMER_NAME: name });
    const workers = await Promise.all([start('a'), start('b')]);
    await scene.publishMany(MESSAGES, endpoint.url);
    await arrived(endpoint, KILLED_AFTER);
    const killed = scene.nats.kill();
    expect(endpoint.received().webhookIds).toBeLessThan(MESSAGES);
    await killed;
    await scene.nats.restart();
    await arrived(endpoint, MESSAGES);
    await allSettled(scene);
    await Promise.all(workers.map(stopWorker));

    const { requests } = endpoint.received();
    const rows = await statisticsOf(scene);
    expect(sumOf(rows, 'messages_delivered')).toBe(requests);
    expect(sumOf(rows, 'messages_acknowledged')).toBe(requests);
    expect(await attemptRows(scene)).toEqual({ rows: requests, ids: MESSAGES, acked: requests });
  });
});

describe('kill -9 and restart of PostgreSQL during deliveries', () => {
  it('stops no delivery, and every delivery is counted once after the restart', async () => {
    const postgres = await startPrivatePostgres();
    const [scene, endpoint] = [
      await openScene({ databaseUrl: postgres.url }),
      await startEndpoint({ delayMs: 20 }),
    ];
    const start = (name: string) => scene.startWorker({ ...SLOTS, CONSUMER_NAME: name });
    const workers = await Promise.all([start('a'), start('b')]);
    const published = scene.publishMany(MESSAGES, endpoint.url);
    await arrived(endpoint, KILLED_AFTER);
    const killed = postgres.kill();
    expect(endpoint.received().webhookIds).toBeLessThan(MESSAGES);
    await killed;
    await published;
    await arrived(endpoint, MESSAGES);
    await postgres.restart();
    await until(async () => sumOf(await statisticsOf(scene), 'messages_delivered') >= MESSAGES);
    await Promise.all(workers.map(stopWorker));

    expect(endpoint.received()).toMatchObject({ requests: MESSAGES, doubled: 0 });
    const rows = await statisticsOf(scene);
    expect(sumOf(rows, 'messages_delivered')).toBe(MESSAGES);
    expect(sumOf(rows, 'messages_acknowledged')).toBe(MESSAGES);
    expect(sumOf(rows, 'rows_dropped')).toBe(0);
    expect(await attemptRows(scene)).toEqual({ rows: MESSAGES, ids: MESSAGES, acked: MESSAGES });
  });
});
