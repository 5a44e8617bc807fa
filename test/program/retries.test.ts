import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import {
  attemptsLogged,
  type Endpoint,
  openScene,
  type Scene,
  startEndpoint,
  statisticsOf,
  stopWorker,
} from './scene.ts';

describe('an endpoint that fails twice, with MAX_ATTEMPTS=3', () => {
  let scene: Scene;
  let endpoint: Endpoint;
  let sequence: number;
  let logged: ReturnType<typeof attemptsLogged>;

  beforeAll(async () => {
    [scene, endpoint] = [await openScene(), await startEndpoint({ failFirst: 2 })];
    const worker = await scene.startWorker({ MAX_ATTEMPTS: '3', CONSUMER_NAME: 'one', LOG_LEVEL: 'debug' });
    sequence = await scene.publish({ webhook_url: endpoint.url, data: 1 });
    await until(() => endpoint.requests.length === 3);
    await stopWorker(worker);
    logged = attemptsLogged(worker);
  });

  it('gets its third attempt', () => {
    expect(endpoint.requests.map(({ status }) => status)).toEqual([500, 500, 200]);
  });

  it('gets the same webhook-id each time', () => {
    expect(new Set(endpoint.requests.map(({ webhookId }) => webhookId)).size).toBe(1);
  });

  it('gets its second attempt 1 s later, and its third one 2 s later, at most 25 % earlier', () => {
    const [first, second, third] = endpoint.requests.map(({ at }) => at.getTime());
    expect(second! - first!).toBeGreaterThanOrEqual(750);
    expect(third! - second!).toBeGreaterThanOrEqual(1500);
  });

  it('has a delivered webhook in nats_deliveries', async () => {
    expect(await scene.deliveryOf(sequence, 'delivered')).toMatchObject({
      attempts: 3,
      last_status: 200,
      last_error: 'HTTP 500',
    });
  });

  it('adds three deliveries by NATS, two retries and one success to the statistics', async () => {
    expect((await statisticsOf(scene)).get('one')).toMatchObject({
      messages_delivered: 3,
      messages_retried: 2,
      messages_acknowledged: 1,
      messages_dead_lettered: 0,
      http_attempts: 3,
    });
  });

  it('has one line per attempt in the debug log', () => {
    expect(
      logged.map(({ level, attemptNumber, status, verdict }) => [level, attemptNumber, status, verdict]),
    ).toEqual([
      ['warn', 1, 500, 'retry'],
      ['warn', 2, 500, 'retry'],
      ['debug', 3, 200, 'ack'],
    ]);
  });
});

describe('a Retry-After that is longer than the backoff', () => {
  it('wins over the backoff', async () => {
    const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
    await scene.startWorker({ BACKOFF_BASE_MS: '1' });
    await scene.publish({ webhook_url: `${endpoint.url}/busy` });
    const [first, second] = await until(() => endpoint.requests.length === 2 && endpoint.requests);
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(990);
  });
});

describe('a webhook that waits for its next attempt', () => {
  it('is retrying in nats_deliveries, with the time of its next attempt', async () => {
    const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
    await scene.startWorker({ BACKOFF_BASE_MS: '3600000', BACKOFF_MAX_MS: '3600000' });
    const row = await scene.deliveryOf(
      await scene.publish({ webhook_url: `${endpoint.url}/status/503` }),
      'retrying',
    );
    expect(row).toMatchObject({
      attempts: 1,
      last_status: 503,
      next_retry_at: expect.any(Date),
      completed_at: null,
    });
  });
});
