import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import {
  allSettled,
  deadLetterOf,
  type Environment,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  stopWorker,
} from './scene.ts';

let scene: Scene;
const useOneScenePerTest = () =>
  beforeEach(async () => {
    scene = await openScene();
  });

/** A whole second, because the `webhook-timestamp` of a request is in whole seconds. */
const secondsFromNow = (seconds: number) => 1000 * Math.ceil(Date.now() / 1000 + seconds);

/** How long the last start of a worker took, in seconds. On a busy machine, other steps take longer, too. */
let startTook = 0;
async function startWorker(env: Environment = {}) {
  const startedAt = performance.now();
  const worker = await scene.startWorker(env);
  startTook = (performance.now() - startedAt) / 1000;
  return worker;
}
const iso = (at: number) => new Date(at).toISOString();
const deliverAt = (at: number | string) => ({ 'Webhook-Deliver-At': typeof at === 'string' ? at : iso(at) });
const expiresAt = (at: number) => ({ 'Webhook-Expires-At': iso(at) });
const publish = (url: string, headers: Environment, data: unknown = { n: 1 }) =>
  scene.publish({ webhook_url: url, data }, { headers });

const stateOf = async (stream: string) =>
  (await scene.manager.streams.info(stream, { subjects_filter: '>' })).state;
/** How many messages each parked queue has, by its key. */
async function queues(): Promise<Record<string, number>> {
  const { subjects = {} } = await stateOf('WEBHOOKS_PARKED');
  const byKey = Object.entries(subjects).map(([subject, count]) => [
    subject.slice('parked.WEBHOOKS.'.length),
    count,
  ]);
  return Object.fromEntries(byKey);
}
/** Resolves when `count` messages have moved from the stream to the parked stream. */
const parked = (count: number) =>
  until(async () => {
    const [waiting, left] = [await stateOf('WEBHOOKS_PARKED'), await stateOf('WEBHOOKS')];
    return waiting.messages === count && left.messages === 0;
  });

/** The consumers of the parked stream. */
const parkedConsumers = () => scene.manager.consumers.list('WEBHOOKS_PARKED').next();

/** Resolves to the reason and the detail of the message's dead letter. */
async function reasonAndDetailOf(sequence: number) {
  const { header } = await deadLetterOf(scene, sequence);
  return ['Reason', 'Detail'].map((name) => header.get(`Webhook-Dead-Letter-${name}`));
}

describe('a message with Webhook-Deliver-At', () => {
  useOneScenePerTest();

  it('is delivered once, and not before that time', async () => {
    const endpoint = await startEndpoint();
    await Promise.all([startWorker(), startWorker({ CONSUMER_NAME: 'second' })]);
    // All messages are parked before this time.
    const dueAt = secondsFromNow(2 + startTook);
    const times = [iso(dueAt), String(dueAt / 1000)];
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    await Promise.all(
      numbers.map((number) => publish(endpoint.url, deliverAt(times[number % 2]!), { number })),
    );
    await parked(50);
    expect(endpoint.requests.length).toBe(0);
    await allSettled(scene);
    expect(endpoint.received()).toMatchObject({ webhookIds: 50, doubled: 0 });
    for (const { headers } of endpoint.requests)
      expect(Number(headers['webhook-timestamp'])).toBeGreaterThanOrEqual(dueAt / 1000);
  });

  it('waits through restarts of nats-server and of the worker', async () => {
    const endpoint = await startEndpoint();
    const first = await startWorker();
    // All restarts except the last one are over before this time.
    const dueAt = secondsFromNow(3 + 2 * startTook);
    await publish(endpoint.url, deliverAt(dueAt));
    await parked(1);
    await stopWorker(first);
    await scene.nats.kill();
    await scene.nats.restart();
    await scene.startWorker();
    // NATS has delivered the message, and redelivers it when it is due.
    await until(async () => (await parkedConsumers())[0]?.num_ack_pending === 1);
    await scene.nats.restart();
    await until(() => endpoint.requests.length === 1);
    expect(Number(endpoint.requests[0]!.headers['webhook-timestamp'])).toBeGreaterThanOrEqual(dueAt / 1000);
    await allSettled(scene);
    expect(endpoint.received().doubled).toBe(0);
  });

  it('is sent again by another worker if a worker is killed during its attempt', async () => {
    const endpoint = await startEndpoint({ delayMs: 1000 });
    const quick = { ACK_WAIT_MS: '2000', ATTEMPT_TIMEOUT_MS: '1000' };
    const dying = await scene.startWorker(quick);
    await publish(endpoint.url, deliverAt(secondsFromNow(1)));
    await until(() => endpoint.requests.length === 1);
    dying.kill('SIGKILL');
    await scene.startWorker(quick);
    await until(() => endpoint.requests.length === 2);
  });

  it('years ahead needs no pending ack and no consumer until then, and makes no endpoint unhealthy', async () => {
    const endpoint = await startEndpoint();
    await scene.startWorker();
    for (let day = 10; day < 30; day++) await publish(endpoint.url, deliverAt(`2199-01-${day}T12:00:00Z`));
    await parked(20);
    expect(Object.keys(await queues()).sort()[0]).toBe('at.2199-01-10');
    await publish(endpoint.url, {});
    await until(() => endpoint.requests.length === 1);
    const durable = () => scene.manager.consumers.info('WEBHOOKS', 'webhook-workers');
    await until(async () => (await durable()).num_ack_pending === 0);
    expect(await parkedConsumers()).toEqual([]);
    const rows = await until(async () => {
      const found = await scene.query<{ state: string }>('SELECT state FROM nats_endpoint_health');
      return found.length > 0 && found;
    });
    expect(rows).toEqual([{ state: 'flowing' }]);
  });

  it('moves from the queue of its day to the queue of its minute when the day is near', async () => {
    const endpoint = await startEndpoint();
    const worker = await startWorker();
    const dueAt = secondsFromNow(1 + startTook);
    await publish(endpoint.url, deliverAt(dueAt));
    await parked(1);
    await stopWorker(worker);
    // The copy moves to the queue of its day, as if it had been parked long ago.
    const [[minute]] = Object.entries(await queues()) as [[string, number]];
    const copy = await scene.manager.streams.getMessage('WEBHOOKS_PARKED', {
      last_by_subj: `parked.WEBHOOKS.${minute}`,
    });
    await scene.manager.streams.purge('WEBHOOKS_PARKED');
    copy.header.delete('Webhook-Not-Before');
    copy.header.delete('Nats-Msg-Id');
    await scene.js.publish(`parked.WEBHOOKS.${minute.slice(0, 'at.2027-01-31'.length)}`, copy.data, {
      headers: copy.header,
    });
    await scene.startWorker();
    await until(() => endpoint.requests.length === 1);
    expect(Number(endpoint.requests[0]!.headers['webhook-timestamp'])).toBeGreaterThanOrEqual(dueAt / 1000);
    await allSettled(scene);
  });

  it('and without a URL goes to the row that matches when it is due', async () => {
    const endpoint = await startEndpoint();
    await startWorker();
    const headers = deliverAt(secondsFromNow(1 + startTook));
    await scene.publish({ n: 1 }, { subject: 'webhooks.later', headers });
    await parked(1);
    await scene.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('later', $1)`, [endpoint.url]);
    await until(() => endpoint.requests.length === 1);
    expect(endpoint.requests[0]!.body.toString()).toBe('{"n":1}');
  });

  it('is parked if its endpoint is paused when it is due, and is delivered when the endpoint is resumed', async () => {
    const endpoint = await startEndpoint();
    await startWorker();
    await setPaused(scene, endpoint.url, true);
    // The worker knows of the pause before this time.
    await publish(endpoint.url, deliverAt(secondsFromNow(1 + startTook)));
    await until(async () => Object.keys(await queues()).some((key) => key.startsWith('127-0-0-1')));
    await setPaused(scene, endpoint.url, false);
    await until(() => endpoint.requests.length === 1);
    await allSettled(scene);
  });

  it('waits in its stream if it is too large for a copy, and is delivered when it is due', async () => {
    const endpoint = await startEndpoint();
    await scene.startWorker();
    const dueAt = secondsFromNow(1);
    await publish(endpoint.url, deliverAt(dueAt), 'x'.repeat(1_048_576 - 1000));
    await until(() => endpoint.requests.length === 1);
    expect(Number(endpoint.requests[0]!.headers['webhook-timestamp'])).toBeGreaterThanOrEqual(dueAt / 1000);
    await allSettled(scene);
  });
});

describe('a message with Webhook-Expires-At', () => {
  useOneScenePerTest();

  it('is given up at once if its next attempt would come too late', async () => {
    const endpoint = await startMisbehavingEndpoint();
    await scene.startWorker({ BACKOFF_BASE_MS: '3600000', BACKOFF_MAX_MS: '3600000' });
    const [reason, detail] = await reasonAndDetailOf(
      await publish(`${endpoint.url}/status/500`, expiresAt(Date.now() + 60_000)),
    );
    expect([reason, detail]).toEqual([
      'expired',
      expect.stringMatching(/^HTTP 500; the next attempt would start at /),
    ]);
    expect(endpoint.requests.length).toBe(1);
  });

  it('is never sent if it expires in the queue of a paused endpoint', async () => {
    const endpoint = await startEndpoint();
    await scene.startWorker();
    await setPaused(scene, endpoint.url, true);
    await until(async () => {
      await publish(endpoint.url, {});
      return Object.keys(await queues()).length > 0;
    });
    const before = endpoint.requests.length;
    const at = Date.now() + 1000;
    const sequence = await publish(endpoint.url, expiresAt(at), { late: true });
    await until(async () => Date.now() > at && (await stateOf('WEBHOOKS')).messages === 0);
    await setPaused(scene, endpoint.url, false);
    expect((await reasonAndDetailOf(sequence))[0]).toBe('expired');
    await allSettled(scene);
    expect(endpoint.requests.length).toBeGreaterThan(before);
    expect(endpoint.requests.some(({ body }) => body.includes('late'))).toBe(false);
  });

  it('for several endpoints expires for each of them', async () => {
    await stopWorker(await scene.startWorker());
    for (const name of ['a', 'b'])
      await scene.query(
        `INSERT INTO rule_webhooks (webhook_name, url, nats_subject, paused) VALUES ($1, 'http://127.0.0.1:9/', 'webhooks.both', true)`,
        [name],
      );
    await startWorker();
    // Both copies are stored before this time.
    const at = Date.now() + 1000 * startTook;
    await scene.publish({ n: 1 }, { subject: 'webhooks.both', headers: expiresAt(at) });
    await parked(2);
    await until(() => Date.now() > at);
    await scene.query('UPDATE rule_webhooks SET paused = false');
    const deadLetters = await until(async () => {
      const { subjects = {} } = await stateOf('WEBHOOKS_DLQ');
      return Object.keys(subjects).length === 2 && Object.keys(subjects);
    });
    expect(deadLetters.map((subject) => subject.split('.').at(-1)!.slice(0, 2)).sort()).toEqual(['a-', 'b-']);
    await allSettled(scene);
  });

  it('or with an age of more than MAX_AGE_HOURS is given up', async () => {
    const endpoint = await startEndpoint();
    await stopWorker(await scene.startWorker());
    const old = await publish(endpoint.url, {});
    const stored = Date.now();
    await until(() => Date.now() > stored + 100);
    await scene.startWorker({ MAX_AGE_HOURS: '0.00003' });
    const [reason, detail] = await reasonAndDetailOf(old);
    expect([reason, detail]).toEqual(['expired', expect.stringMatching(/^MAX_AGE_HOURS: expired at /)]);
    expect(endpoint.requests.length).toBe(0);
  });
});

describe('a message with a time header', () => {
  beforeAll(async () => {
    scene = await openScene();
    await scene.startWorker();
  });

  it('is sent at once if Webhook-Deliver-At is in the past', async () => {
    const endpoint = await startEndpoint();
    await publish(endpoint.url, deliverAt('2020-01-01T00:00:00Z'));
    await until(() => endpoint.requests.length === 1);
  });

  it('is malformed at once if the header is not a time, or if another part of a scheduled message is invalid', async () => {
    const tomorrow = await publish('http://127.0.0.1:9/', deliverAt('tomorrow'));
    expect(await reasonAndDetailOf(tomorrow)).toEqual([
      'malformed',
      'the NATS header Webhook-Deliver-At is not a time: give ISO 8601 with a zone, such as 2027-01-31T12:00:00Z or ' +
        '2027-01-31T12:00:00+02:00, or Unix seconds',
    ]);
    const broken = await publish('nonsense', deliverAt('2199-01-01T00:00:00Z'));
    expect((await reasonAndDetailOf(broken))[0]).toBe('malformed');
  });

  it('expires without a request if Webhook-Expires-At is in the past, even if no row matches', async () => {
    const endpoint = await startEndpoint();
    const late = await publish(endpoint.url, expiresAt(0));
    expect(await reasonAndDetailOf(late)).toEqual([
      'expired',
      'Webhook-Expires-At: expired at 1970-01-01T00:00:00.000Z',
    ]);
    const unroutable = await scene.publish({ n: 1 }, { subject: 'webhooks.nobody', headers: expiresAt(0) });
    expect((await reasonAndDetailOf(unroutable))[0]).toBe('expired');
    expect(endpoint.requests.length).toBe(0);
    expect((await scene.deliveryOf(late, 'dead-lettered')).dead_letter_reason).toBe('expired');
  });

  it('expires at once if Webhook-Deliver-At is not before Webhook-Expires-At', async () => {
    const headers = { ...deliverAt('2199-01-02T00:00:00Z'), 'Webhook-Expires-At': '2199-01-01T00:00:00Z' };
    expect(await reasonAndDetailOf(await publish('http://127.0.0.1:9/', headers))).toEqual([
      'expired',
      'Webhook-Deliver-At, 2199-01-02T00:00:00.000Z, is not before Webhook-Expires-At, 2199-01-01T00:00:00.000Z',
    ]);
  });
});
