import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import {
  allSettled,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  statisticsOf,
  stopWorker,
  sumOf,
} from './scene.ts';

/** No attempt times out during the test. */
const NO_TIMEOUT = { ATTEMPT_TIMEOUT_MS: '300000', ACK_WAIT_MS: '600000' };

type HealthRow = {
  readonly state: string;
  readonly in_flight: number;
  readonly parked: number;
  readonly why: string | null;
  readonly last_error: string | null;
};

async function healthOf(scene: Scene, url: string): Promise<HealthRow | undefined> {
  const [row] = await scene.query<HealthRow>(
    `SELECT state, in_flight::int, parked::int, why, last_error FROM nats_endpoint_health
     WHERE endpoint_key = nats_endpoint_key($1)`,
    [url],
  );
  return row;
}

const parkedIn = async (scene: Scene) => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages;

/** Starts an endpoint that calls `answer` for each request, with the id of the webhook and the number of the attempt. */
async function startScriptedEndpoint(
  answer: (response: ServerResponse, id: string, attempt: number) => void,
): Promise<string> {
  const attempts = new Map<string, number>();
  const server = createServer((request, response) => {
    const id = String(request.headers['webhook-id']);
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
    request.resume().once('end', () => answer(response, id, attempts.get(id)!));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUpAfter(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Publishes `count` messages for each URL, in turn. */
async function publishInTurn(scene: Scene, count: number, ...urls: string[]): Promise<void> {
  const all = Array.from({ length: count }, (_, number) =>
    urls.map((url) => scene.publish({ webhook_url: url, data: { number } })),
  );
  await Promise.all(all.flat());
}

describe('an endpoint that hangs', () => {
  it('holds only a few attempts, while all messages of a healthy endpoint are delivered', async () => {
    const [scene, hanging, healthy] = [
      await openScene(),
      await startMisbehavingEndpoint(),
      await startEndpoint({ delayMs: 10 }),
    ];
    await scene.startWorker(NO_TIMEOUT);
    await publishInTurn(scene, 400, `${hanging.url}/hang`, healthy.url);
    await until(() => healthy.received().webhookIds === 400);
    expect(healthy.received().doubled).toBe(0);
    expect(hanging.requests.length).toBeLessThanOrEqual(16);
    await until(async () => {
      const row = await healthOf(scene, hanging.url);
      expect(row).toMatchObject({ state: 'silent', in_flight: hanging.requests.length });
      return (row?.parked ?? 0) > 300;
    });
    hanging.recover();
    await allSettled(scene);
    expect(new Set(hanging.requests.map(({ webhookId }) => webhookId)).size).toBe(400);
    expect(hanging.requests.length).toBe(400);
    await until(async () => (await healthOf(scene, hanging.url))?.state === 'flowing');
  });

  it('after it was healthy delays neither a known nor a new endpoint', async () => {
    const [scene, changing, known, unknown] = [
      await openScene(),
      await startMisbehavingEndpoint(),
      await startEndpoint(),
      await startEndpoint(),
    ];
    changing.recover();
    await scene.startWorker({ ...NO_TIMEOUT, CONCURRENCY: '64' });
    await publishInTurn(scene, 1000, `${changing.url}/hang`, known.url);
    await until(() => changing.requests.length === 1000);
    changing.misbehave();
    await publishInTurn(scene, 1000, `${changing.url}/hang`);
    await publishInTurn(scene, 100, known.url, unknown.url);
    await until(() => known.received().webhookIds === 1100 && unknown.received().webhookIds === 100);
    expect(changing.requests.length).toBeLessThanOrEqual(1000 + 64);
    changing.recover();
    await allSettled(scene);
    expect(changing.requests.length).toBe(2000);
  });

  it.each([1, 2, 5])('does not block a healthy endpoint, even with CONCURRENCY=%d', async (slots) => {
    const [scene, hanging, healthy] = [
      await openScene(),
      await startMisbehavingEndpoint(),
      await startEndpoint({ delayMs: 5 }),
    ];
    await scene.startWorker({ ATTEMPT_TIMEOUT_MS: '500', CONCURRENCY: String(slots), MAX_ATTEMPTS: '100' });
    await publishInTurn(scene, 30, `${hanging.url}/hang`, healthy.url);
    await until(() => healthy.received().webhookIds === 30);
    hanging.recover();
    await allSettled(scene);
    expect(new Set(hanging.requests.map(({ webhookId }) => webhookId)).size).toBe(30);
  });
});

describe('an endpoint that fails', () => {
  it('gets few requests, keeps its messages over a restart of the worker, and gets all of them when it recovers', async () => {
    const [scene, failing, healthy] = [
      await openScene(),
      await startMisbehavingEndpoint(),
      await startEndpoint(),
    ];
    const first = await scene.startWorker({ CONSUMER_NAME: 'first' });
    await publishInTurn(scene, 2000, `${failing.url}/status/503`);
    await publishInTurn(scene, 100, healthy.url);
    await until(() => healthy.received().webhookIds === 100);
    await until(async () => (await parkedIn(scene)) === 2000);
    expect(failing.requests.length).toBeLessThan(60);
    await until(async () => {
      expect(await healthOf(scene, failing.url)).toMatchObject({ parked: 2000, last_error: 'HTTP 503' });
      return true;
    });
    await stopWorker(first);
    await scene.startWorker({ CONSUMER_NAME: 'second' });
    failing.recover();
    await allSettled(scene);
    const ids = new Set(
      failing.requests.filter(({ answered }) => answered).map(({ webhookId }) => webhookId),
    );
    expect(ids.size).toBe(2000);
    const rows = await until(async () => {
      const all = await statisticsOf(scene);
      return sumOf(all, 'messages_acknowledged') === 2100 && all;
    });
    expect(sumOf(rows, 'http_attempts')).toBe(failing.requests.length + 100);
    expect(sumOf(rows, 'messages_delivered')).toBe(2100 + sumOf(rows, 'messages_retried'));
    expect(sumOf(rows, 'messages_parked')).toBeGreaterThan(1900);
    expect(sumOf(rows, 'messages_dead_lettered')).toBe(0);
  });

  it('half of the time gets each message until it succeeds, or MAX_ATTEMPTS times, over a rolling restart of two workers', async () => {
    const scene = await openScene();
    const tries = new Map<string, string>();
    const url = await startScriptedEndpoint(async (response, id, attempt) => {
      const sequence = Number(id.split('-').at(-1));
      const isHealthy = (sequence * 7 + attempt * 13) % 16 < 8;
      tries.set(id, (tries.get(id) ?? '') + (isHealthy ? 'o' : 'x'));
      await wait(5);
      response.writeHead(isHealthy ? 200 : 503).end();
    });
    const settings = { MAX_ATTEMPTS: '3', BACKOFF_BASE_MS: '100', BACKOFF_MAX_MS: '200' };
    const start = (name: string) => scene.startWorker({ ...settings, CONSUMER_NAME: name });
    const [a, b] = await Promise.all([start('a'), start('b')]);
    await publishInTurn(scene, 500, url);
    await until(() => tries.size > 100);
    await stopWorker(a);
    await start('c');
    await stopWorker(b);
    await start('d');
    await allSettled(scene);
    const outcomes = [...tries.values()];
    expect(outcomes.length).toBe(500);
    expect(outcomes.filter((each) => !/^(x{0,2}o|xxx)$/.test(each))).toEqual([]);
    const { state } = await scene.manager.streams.info('WEBHOOKS_DLQ');
    expect(state.messages).toBe(outcomes.filter((each) => each === 'xxx').length);
  });

  it('with a Retry-After gets no request before that time', async () => {
    const scene = await openScene();
    const times: number[] = [];
    let isHealthy = false;
    const url = await startScriptedEndpoint((response) => {
      times.push(performance.now());
      response.writeHead(isHealthy ? 200 : 429, { 'retry-after': '2' }).end();
    });
    await scene.startWorker();
    await publishInTurn(scene, 50, url);
    await until(async () => {
      const row = await healthOf(scene, url);
      return row?.state === 'failing' && row.in_flight === 0 && row.parked >= 30;
    });
    const failed = times.length;
    isHealthy = true;
    await allSettled(scene);
    expect(times[failed]! - times[failed - 1]!).toBeGreaterThanOrEqual(1900);
    expect(times.length).toBe(failed + 50);
  });
});

describe('an operator', () => {
  it('pauses an endpoint, also over a restart of the worker, and resumes it', async () => {
    const [scene, endpoint, other] = [await openScene(), await startEndpoint(), await startEndpoint()];
    const first = await scene.startWorker();
    await setPaused(scene, endpoint.url, true);
    await until(async () => {
      await publishInTurn(scene, 1, endpoint.url);
      return (await healthOf(scene, endpoint.url))?.state === 'paused';
    });
    const before = endpoint.received().requests;
    // Too large for a parked copy, which has further headers.
    await scene.publish({ webhook_url: endpoint.url, data: 'x'.repeat(1_048_576 - 500) });
    await publishInTurn(scene, 50, endpoint.url, other.url);
    await until(() => other.received().webhookIds === 50);
    await stopWorker(first);
    await scene.startWorker();
    await publishInTurn(scene, 50, endpoint.url, other.url);
    await until(() => other.received().webhookIds === 100);
    expect(endpoint.received().requests).toBe(before);
    await setPaused(scene, endpoint.url, false);
    await allSettled(scene);
    expect(endpoint.received().doubled).toBe(0);
    expect(endpoint.received().webhookIds).toBeGreaterThanOrEqual(before + 101);
  });
});

describe('a limit', () => {
  it('of concurrent attempts holds for all workers together', async () => {
    const scene = await openScene();
    let [open, maxOpen, total] = [0, 0, 0];
    const url = await startScriptedEndpoint(async (response) => {
      total++;
      maxOpen = Math.max(maxOpen, ++open);
      await wait(20);
      open--;
      response.end();
    });
    const settings = { ENDPOINT_CONCURRENCY: '4' };
    await Promise.all(['a', 'b'].map((name) => scene.startWorker({ ...settings, CONSUMER_NAME: name })));
    // Both workers know each other.
    await until(async () => {
      const [row] = await scene.query<{ live: number }>(
        'SELECT count(*)::int AS live FROM rule_nats_worker_instances WHERE active',
      );
      return row!.live === 2;
    });
    await publishInTurn(scene, 200, url);
    await allSettled(scene);
    expect(total).toBe(200);
    expect(maxOpen).toBeLessThanOrEqual(4);
  });

  it('of requests per second holds, and every message is sent once', async () => {
    const scene = await openScene();
    const attempts: number[] = [];
    let lastAt = 0;
    const url = await startScriptedEndpoint((response, _, attempt) => {
      attempts.push(attempt);
      lastAt = performance.now();
      response.end();
    });
    await scene.startWorker({ ENDPOINT_RATE_LIMIT: '20' });
    // Measured from the publishing, because a busy machine may notice the first arrival late.
    const startedAt = performance.now();
    await publishInTurn(scene, 60, url);
    await allSettled(scene);
    // 60 requests at 20 per second. The rate limiter may catch up 75 ms.
    expect(lastAt - startedAt).toBeGreaterThanOrEqual(59 * 50 - 75);
    expect(attempts).toEqual(Array(60).fill(1));
  });
});
