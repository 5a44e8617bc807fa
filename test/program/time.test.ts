import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import {
  deadLetterOf,
  drained,
  type Environment,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  stopWorker,
} from './scene.ts';

let scene: Scene;
const eachOnItsOwn = () =>
  beforeEach(async () => {
    scene = await openScene();
  });

/** A whole second: so coarse is the time of a request in its `webhook-timestamp`. */
const secondsFromNow = (seconds: number) => 1000 * Math.ceil(Date.now() / 1000 + seconds);

/** How long the last start of a worker took, in seconds: what else is to be done in time takes longer, too, on a busy machine. */
let startTook = 0;
async function startWorker(env: Environment = {}) {
  const begunAt = performance.now();
  const worker = await scene.startWorker(env);
  startTook = (performance.now() - begunAt) / 1000;
  return worker;
}
const iso = (at: number) => new Date(at).toISOString();
const deliverAt = (at: number | string) => ({ 'Webhook-Deliver-At': typeof at === 'string' ? at : iso(at) });
const expiresAt = (at: number) => ({ 'Webhook-Expires-At': iso(at) });
const publish = (url: string, headers: Environment, data: unknown = { n: 1 }) =>
  scene.publish({ webhook_url: url, data }, { headers });

const stateOf = async (stream: string) =>
  (await scene.manager.streams.info(stream, { subjects_filter: '>' })).state;
/** What waits in the parked stream, by the key of its queue. */
async function queues(): Promise<Record<string, number>> {
  const { subjects = {} } = await stateOf('WEBHOOKS_PARKED');
  const byKey = Object.entries(subjects).map(([subject, count]) => [
    subject.slice('parked.WEBHOOKS.'.length),
    count,
  ]);
  return Object.fromEntries(byKey);
}
/** Resolves when so many messages have left the stream for the parked one. */
const parked = (count: number) =>
  until(async () => {
    const [waiting, left] = [await stateOf('WEBHOOKS_PARKED'), await stateOf('WEBHOOKS')];
    return waiting.messages === count && left.messages === 0;
  });

/** What takes messages out of the parked stream. */
const drains = () => scene.manager.consumers.list('WEBHOOKS_PARKED').next();

/** Reason and detail of a dead letter. */
async function givenUp(sequence: number) {
  const { header } = await deadLetterOf(scene, sequence);
  return ['Reason', 'Detail'].map((name) => header.get(`Webhook-Dead-Letter-${name}`));
}

describe('a message with Webhook-Deliver-At', () => {
  eachOnItsOwn();

  it('is delivered after that time, not before, and once', async () => {
    const endpoint = await startEndpoint();
    await Promise.all([startWorker(), startWorker({ CONSUMER_NAME: 'second' })]);
    // All are parked before.
    const dueAt = secondsFromNow(2 + startTook);
    const times = [iso(dueAt), String(dueAt / 1000)];
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    await Promise.all(
      numbers.map((number) => publish(endpoint.url, deliverAt(times[number % 2]!), { number })),
    );
    await parked(50);
    expect(endpoint.requests.length).toBe(0);
    await drained(scene);
    expect(endpoint.received()).toMatchObject({ webhookIds: 50, doubled: 0 });
    for (const { headers } of endpoint.requests)
      expect(Number(headers['webhook-timestamp'])).toBeGreaterThanOrEqual(dueAt / 1000);
  });

  it('waits through restarts of nats-server and of the worker', async () => {
    const endpoint = await startEndpoint();
    const first = await startWorker();
    // All but the last restart is over before.
    const dueAt = secondsFromNow(3 + 2 * startTook);
    await publish(endpoint.url, deliverAt(dueAt));
    await parked(1);
    await stopWorker(first);
    await scene.nats.kill();
    await scene.nats.restart();
    await scene.startWorker();
    // Handed out once, to be handed out again when it is due.
    await until(async () => (await drains())[0]?.num_ack_pending === 1);
    await scene.nats.restart();
    await until(() => endpoint.requests.length === 1);
    expect(Number(endpoint.requests[0]!.headers['webhook-timestamp'])).toBeGreaterThanOrEqual(dueAt / 1000);
    await drained(scene);
    expect(endpoint.received().doubled).toBe(0);
  });

  it('is sent again by another worker where one dies with it, once it was due', async () => {
    const endpoint = await startEndpoint({ delayMs: 1000 });
    const quick = { ACK_WAIT_MS: '2000', ATTEMPT_TIMEOUT_MS: '1000' };
    const dying = await scene.startWorker(quick);
    await publish(endpoint.url, deliverAt(secondsFromNow(1)));
    await until(() => endpoint.requests.length === 1);
    dying.kill('SIGKILL');
    await scene.startWorker(quick);
    await until(() => endpoint.requests.length === 2);
  });

  it('years ahead costs nothing until then: no pending place, no consumer, and no endpoint in trouble', async () => {
    const endpoint = await startEndpoint();
    await scene.startWorker();
    for (let day = 10; day < 30; day++) await publish(endpoint.url, deliverAt(`2199-01-${day}T12:00:00Z`));
    await parked(20);
    expect(Object.keys(await queues()).sort()[0]).toBe('at.2199-01-10');
    await publish(endpoint.url, {});
    await until(() => endpoint.requests.length === 1);
    const durable = () => scene.manager.consumers.info('WEBHOOKS', 'webhook-workers');
    await until(async () => (await durable()).num_ack_pending === 0);
    expect(await drains()).toEqual([]);
    const rows = await until(async () => {
      const found = await scene.query<{ state: string }>('SELECT state FROM nats_endpoint_health');
      return found.length > 0 && found;
    });
    expect(rows).toEqual([{ state: 'flowing' }]);
  });

  it('comes out of the queue of its day, when that is near, for that of its minute', async () => {
    const endpoint = await startEndpoint();
    const worker = await startWorker();
    const dueAt = secondsFromNow(1 + startTook);
    await publish(endpoint.url, deliverAt(dueAt));
    await parked(1);
    await stopWorker(worker);
    // As if it had been parked long ago.
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
    await drained(scene);
  });

  it('and no URL goes to the row that is there when it is due', async () => {
    const endpoint = await startEndpoint();
    await startWorker();
    const headers = deliverAt(secondsFromNow(1 + startTook));
    await scene.publish({ n: 1 }, { subject: 'webhooks.later', headers });
    await parked(1);
    await scene.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('later', $1)`, [endpoint.url]);
    await until(() => endpoint.requests.length === 1);
    expect(endpoint.requests[0]!.body.toString()).toBe('{"n":1}');
  });

  it('goes to the queue of its endpoint where that is paused by then, and on from there', async () => {
    const endpoint = await startEndpoint();
    await startWorker();
    await setPaused(scene, endpoint.url, true);
    // The worker has heard of the pause before.
    await publish(endpoint.url, deliverAt(secondsFromNow(1 + startTook)));
    await until(async () => Object.keys(await queues()).some((key) => key.startsWith('127-0-0-1')));
    await setPaused(scene, endpoint.url, false);
    await until(() => endpoint.requests.length === 1);
    await drained(scene);
  });

  it('waits in its stream where it is too large for a copy, and is delivered', async () => {
    const endpoint = await startEndpoint();
    await scene.startWorker();
    const dueAt = secondsFromNow(1);
    await publish(endpoint.url, deliverAt(dueAt), 'x'.repeat(1_048_576 - 1000));
    await until(() => endpoint.requests.length === 1);
    expect(Number(endpoint.requests[0]!.headers['webhook-timestamp'])).toBeGreaterThanOrEqual(dueAt / 1000);
    await drained(scene);
  });
});

describe('a message with Webhook-Expires-At', () => {
  eachOnItsOwn();

  it('is not waited for when its next attempt would come too late', async () => {
    const endpoint = await startMisbehavingEndpoint();
    await scene.startWorker({ BACKOFF_BASE_MS: '3600000', BACKOFF_MAX_MS: '3600000' });
    const [reason, detail] = await givenUp(
      await publish(`${endpoint.url}/status/500`, expiresAt(Date.now() + 60_000)),
    );
    expect([reason, detail]).toEqual([
      'expired',
      expect.stringMatching(/^HTTP 500; the next attempt would start at /),
    ]);
    expect(endpoint.requests.length).toBe(1);
  });

  it('that is over when it comes out of a paused queue is never sent', async () => {
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
    expect((await givenUp(sequence))[0]).toBe('expired');
    await drained(scene);
    expect(endpoint.requests.length).toBeGreaterThan(before);
    expect(endpoint.requests.some(({ body }) => body.includes('late'))).toBe(false);
  });

  it('that waits for several endpoints expires for each of them', async () => {
    await stopWorker(await scene.startWorker());
    for (const name of ['a', 'b'])
      await scene.query(
        `INSERT INTO rule_webhooks (webhook_name, url, nats_subject, paused) VALUES ($1, 'http://127.0.0.1:9/', 'webhooks.both', true)`,
        [name],
      );
    await startWorker();
    // There is a copy for each before.
    const at = Date.now() + 1000 * startTook;
    await scene.publish({ n: 1 }, { subject: 'webhooks.both', headers: expiresAt(at) });
    await parked(2);
    await until(() => Date.now() > at);
    await scene.query('UPDATE rule_webhooks SET paused = false');
    const letters = await until(async () => {
      const { subjects = {} } = await stateOf('WEBHOOKS_DLQ');
      return Object.keys(subjects).length === 2 && Object.keys(subjects);
    });
    expect(letters.map((subject) => subject.split('.').at(-1)!.slice(0, 2)).sort()).toEqual(['a-', 'b-']);
    await drained(scene);
  });

  it('or published longer than MAX_AGE_HOURS ago is given up', async () => {
    const endpoint = await startEndpoint();
    await stopWorker(await scene.startWorker());
    const old = await publish(endpoint.url, {});
    const stored = Date.now();
    await until(() => Date.now() > stored + 100);
    await scene.startWorker({ MAX_AGE_HOURS: '0.00003' });
    const [reason, detail] = await givenUp(old);
    expect([reason, detail]).toEqual(['expired', expect.stringMatching(/^MAX_AGE_HOURS: expired at /)]);
    expect(endpoint.requests.length).toBe(0);
  });
});

describe('at once, a message', () => {
  beforeAll(async () => {
    scene = await openScene();
    await scene.startWorker();
  });

  it('that may be sent since long ago is sent', async () => {
    const endpoint = await startEndpoint();
    await publish(endpoint.url, deliverAt('2020-01-01T00:00:00Z'));
    await until(() => endpoint.requests.length === 1);
  });

  it('that names no time is malformed, and so is one that is malformed anyway, though it is to be sent later', async () => {
    const tomorrow = await publish('http://127.0.0.1:9/', deliverAt('tomorrow'));
    expect(await givenUp(tomorrow)).toEqual([
      'malformed',
      'the NATS header Webhook-Deliver-At is not a time: give ISO 8601 with a zone, such as 2027-01-31T12:00:00Z or ' +
        '2027-01-31T12:00:00+02:00, or Unix seconds',
    ]);
    const broken = await publish('nonsense', deliverAt('2199-01-01T00:00:00Z'));
    expect((await givenUp(broken))[0]).toBe('malformed');
  });
  it('that is too late is expired, without a request, also where nobody is there for it', async () => {
    const endpoint = await startEndpoint();
    const late = await publish(endpoint.url, expiresAt(0));
    expect(await givenUp(late)).toEqual([
      'expired',
      'Webhook-Expires-At: expired at 1970-01-01T00:00:00.000Z',
    ]);
    const unroutable = await scene.publish({ n: 1 }, { subject: 'webhooks.nobody', headers: expiresAt(0) });
    expect((await givenUp(unroutable))[0]).toBe('expired');
    expect(endpoint.requests.length).toBe(0);
    expect((await scene.deliveryOf(late, 'dead-lettered')).dead_letter_reason).toBe('expired');
  });

  it('that would be sent too late is expired now', async () => {
    const headers = { ...deliverAt('2199-01-02T00:00:00Z'), 'Webhook-Expires-At': '2199-01-01T00:00:00Z' };
    expect(await givenUp(await publish('http://127.0.0.1:9/', headers))).toEqual([
      'expired',
      'Webhook-Deliver-At, 2199-01-02T00:00:00.000Z, is not before Webhook-Expires-At, 2199-01-01T00:00:00.000Z',
    ]);
  });
});
