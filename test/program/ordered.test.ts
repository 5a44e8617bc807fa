import { RetentionPolicy } from 'nats';
import { beforeEach, describe, expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { until } from '../support/wait.ts';
import { allOrderedSettled, outOfOrder, publishOrdered, startOrderedEndpoint } from './ordered-scene.ts';
import { createTables, register } from './rows.ts';
import {
  deadLetterOf,
  logOf,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  statisticsOf,
  stopWorker,
} from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const QUICK = { ACK_WAIT_MS: '3000', ATTEMPT_TIMEOUT_MS: '1500', BACKOFF_BASE_MS: '20' };
const keysNamed = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}${n}`);

/** How many messages a worker holds, or wait for a retry. */
async function held(): Promise<number> {
  const durables = await scene.manager.consumers.list('WEBHOOKS_ORDERED').next();
  return durables.reduce((sum, { num_ack_pending }) => sum + num_ack_pending, 0);
}

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});

describe('ordered webhooks', () => {
  it('arrive complete and in order, even if some attempts fail and one of two workers is killed', async () => {
    const keys = keysNamed('k', 5);
    const endpoint = await startOrderedEndpoint(({ request }) => request % 10 !== 0);
    const [victim] = await Promise.all([scene.startWorker(QUICK), scene.startWorker(QUICK)]);
    const published = publishOrdered(scene, endpoint.url, keys, 40);
    await until(() => keys.every((key) => endpoint.accepted(key) >= 10));
    victim.kill('SIGKILL');
    await published;
    await allOrderedSettled(scene);
    for (const key of keys) {
      expect(endpoint.accepted(key)).toBe(40);
      expect(outOfOrder(endpoint.seen(key))).toEqual([]);
    }
  });

  it('wait only for webhooks with the same ordering key', async () => {
    const healthy = await startOrderedEndpoint(() => true);
    const failing = await startOrderedEndpoint(() => false);
    await scene.startWorker({ CONCURRENCY: '8', MAX_OPEN_QUEUES: '4' });
    await publishOrdered(scene, failing.url, keysNamed('failing', 30), 2);
    await publishOrdered(scene, healthy.url, keysNamed('healthy', 10), 10);
    const other = await startEndpoint();
    await scene.publishMany(20, other.url);
    await until(() => keysNamed('healthy', 10).every((key) => healthy.accepted(key) === 10));
    await until(() => other.requests.length === 20);
    for (const key of keysNamed('failing', 30))
      expect(failing.seen(key).every(({ n }) => n === 1)).toBe(true);
  });

  it('of a paused endpoint wait without a slot, and are delivered in order when the endpoint is resumed', async () => {
    const endpoint = await startOrderedEndpoint(() => true);
    const keys = keysNamed('k', 20);
    await createTables(scene);
    await setPaused(scene, endpoint.url, true);
    const { healthIs } = await startWorkerWithHealth(scene, { CONCURRENCY: '4', MAX_OPEN_QUEUES: '8' });
    await publishOrdered(scene, endpoint.url, keys, 3);
    await healthIs({ code: 200, status: 'ok', slots: { busy: 0 }, ordered: { waiting: 20 } });
    await setPaused(scene, endpoint.url, false);
    await allOrderedSettled(scene);
    for (const key of keys) expect(endpoint.seen(key).map(({ n }) => n)).toEqual([1, 2, 3]);
  });

  it('are requeued unsent by a worker that stops, and do not become dead letters', async () => {
    const endpoint = await startOrderedEndpoint(() => true);
    await createTables(scene);
    await setPaused(scene, endpoint.url, true);
    const first = await scene.startWorker({ MAX_ATTEMPTS: '1' });
    await publishOrdered(scene, endpoint.url, ['k'], 2);
    await until(async () => (await held()) === 1);
    await stopWorker(first);
    await setPaused(scene, endpoint.url, false);
    await scene.startWorker({ MAX_ATTEMPTS: '1' });
    await allOrderedSettled(scene);
    expect(endpoint.seen('k').map(({ n }) => n)).toEqual([1, 2]);
  });

  it('are not sent by a worker that was stopped (SIGSTOP) while another worker sent them', async () => {
    const endpoint = await startOrderedEndpoint(() => true);
    await createTables(scene, QUICK);
    await setPaused(scene, endpoint.url, true);
    const stopped = await scene.startWorker({ ...QUICK, CONSUMER_NAME: 'stopped' });
    await publishOrdered(scene, endpoint.url, ['k'], 2);
    await until(async () => (await held()) === 1);
    stopped.kill('SIGSTOP');
    await scene.startWorker(QUICK);
    await setPaused(scene, endpoint.url, false);
    await allOrderedSettled(scene);
    stopped.kill('SIGCONT');
    await publishOrdered(scene, endpoint.url, ['other'], 1);
    await until(() => endpoint.accepted('other') === 1);
    await stopWorker(stopped);
    expect(endpoint.seen('k').map(({ n }) => n)).toEqual([1, 2]);
  });

  it('that are given up become dead letters of the ordered stream, and the next webhook of the key follows', async () => {
    const endpoint = await startOrderedEndpoint(({ n }) => n !== 2);
    await scene.startWorker({ ...QUICK, MAX_ATTEMPTS: '2' });
    await publishOrdered(scene, endpoint.url, ['k'], 3);
    await allOrderedSettled(scene);
    expect(endpoint.seen('k').map(({ n }) => n)).toEqual([1, 2, 2, 3]);
    const deadLetter = await deadLetterOf(scene, 2);
    const { created } = await scene.manager.streams.info('WEBHOOKS_ORDERED');
    expect(deadLetter.subject).toMatch(
      new RegExp(`^dlq\\.WEBHOOKS\\.WEBHOOKS_ORDERED\\.${Date.parse(created)}\\.2\\.127-0-0-1-`),
    );
    expect(deadLetter.header.get('Webhook-Original-Stream')).toBe('WEBHOOKS_ORDERED');
    expect(deadLetter.header.get('Webhook-Original-Subject')).toBe('webhooks.ordered.k');
  });

  it('are delivered even if their durable or their stream is deleted', async () => {
    const endpoint = await startOrderedEndpoint(({ request }) => request % 3 !== 0);
    const worker = await scene.startWorker(QUICK);
    const published = publishOrdered(scene, endpoint.url, ['k'], 30);
    await until(() => endpoint.accepted('k') >= 5);
    const [durable] = await scene.manager.consumers.list('WEBHOOKS_ORDERED').next();
    await scene.manager.consumers.delete('WEBHOOKS_ORDERED', durable!.name);
    await published;
    await allOrderedSettled(scene);
    expect(endpoint.accepted('k')).toBe(30);
    expect(outOfOrder(endpoint.seen('k'))).toEqual([]);
    await scene.manager.streams.delete('WEBHOOKS_ORDERED');
    await worker.waitForLine(/"kind":"ordered".*stream\.recreated/);
    await publishOrdered(scene, endpoint.url, ['after'], 2);
    await until(() => endpoint.accepted('after') === 2);
  });

  it('without a URL go to their row, and to each of several rows in order', async () => {
    const one = await startOrderedEndpoint(({ request }) => request % 3 !== 0);
    const two = await startOrderedEndpoint(({ request }) => request % 4 !== 0);
    const named = await startOrderedEndpoint(() => true);
    const quick = { retry_delay_ms: 50, max_retries: 10 };
    await createTables(scene, QUICK);
    await register(scene, 'one', one.url, { ...quick, nats_subject: 'webhooks.ordered.both' });
    // This row accepts every second message. Messages for row `one` only must not overtake the copies of earlier messages.
    await register(scene, 'two', two.url, {
      ...quick,
      nats_subject: 'webhooks.ordered.*',
      event_types: ['even'],
    });
    await register(scene, 'named', named.url, { nats_subject: 'webhooks.ordered.named', ...quick });
    await scene.startWorker(QUICK);
    for (let n = 1; n <= 20; n++) {
      const event = n % 2 === 0 ? 'even' : 'odd';
      await scene.publish({ key: 'both', n, event }, { subject: 'webhooks.ordered.both' });
      await scene.publish({ key: 'named', n, event: 'odd' }, { subject: 'webhooks.ordered.named' });
    }
    await allOrderedSettled(scene);
    expect(outOfOrder(one.seen('both'))).toEqual([]);
    expect([one.accepted('both'), two.accepted('both'), named.accepted('named')]).toEqual([20, 10, 20]);
    const even = two.seen('both').map(({ n, isAccepted }) => ({ n: n / 2, isAccepted }));
    expect(outOfOrder(even)).toEqual([]);
  });

  it('that were copied for several rows go before later webhooks, even if only one row is left', async () => {
    const one = await startOrderedEndpoint(() => true);
    await createTables(scene, QUICK);
    await register(scene, 'one', one.url, { nats_subject: 'webhooks.ordered.k', paused: true });
    await register(scene, 'two', one.url, { nats_subject: 'webhooks.ordered.k', paused: true });
    await scene.startWorker(QUICK);
    for (const n of [1, 2]) await scene.publish({ key: 'k', n }, { subject: 'webhooks.ordered.k' });
    const left = async () => (await scene.manager.streams.info('WEBHOOKS_ORDERED')).state.messages;
    await until(async () => (await left()) === 4);
    await scene.query(`DELETE FROM rule_webhooks WHERE webhook_name = 'two'`);
    await scene.publish({ key: 'k', n: 3 }, { subject: 'webhooks.ordered.k' });
    await scene.query(`UPDATE rule_webhooks SET paused = false`);
    await until(() => one.accepted('k') === 3);
    expect(one.seen('k').map(({ n }) => n)).toEqual([1, 2, 3]);
  });

  it.each([
    ['goes to both rows', ''],
    ['goes to this row only', `DELETE FROM rule_webhooks WHERE webhook_name = 'two'`],
  ])('that were copied for a row go to it before later webhooks after it was renamed, if the later one %s', async (_what, sql) => {
    const [one, two] = [await startOrderedEndpoint(() => true), await startOrderedEndpoint(() => true)];
    await createTables(scene, QUICK);
    await register(scene, 'one', one.url, { nats_subject: 'webhooks.ordered.k', paused: true });
    await register(scene, 'two', two.url, { nats_subject: 'webhooks.ordered.k', paused: true });
    await scene.startWorker(QUICK);
    for (const n of [1, 2, 3]) await scene.publish({ key: 'k', n }, { subject: 'webhooks.ordered.k' });
    const left = async () => (await scene.manager.streams.info('WEBHOOKS_ORDERED')).state.messages;
    await until(async () => (await left()) === 6);
    await scene.query(`UPDATE rule_webhooks SET webhook_name = 'uno' WHERE webhook_name = 'one'`);
    if (sql !== '') await scene.query(sql);
    for (const n of [4, 5]) await scene.publish({ key: 'k', n }, { subject: 'webhooks.ordered.k' });
    await until(async () => (await left()) === (sql === '' ? 10 : 8));
    await scene.query(`UPDATE rule_webhooks SET paused = false`);
    await until(() => one.accepted('k') === 5);
    expect(one.seen('k').map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
  });

  it('wait behind a scheduled webhook with the same ordering key', async () => {
    const endpoint = await startOrderedEndpoint(() => true);
    await scene.startWorker(QUICK);
    const dueAt = Date.now() + 1500;
    const due = { 'Webhook-Deliver-At': new Date(dueAt).toISOString() };
    for (const n of [1, 2]) {
      const message = { webhook_url: endpoint.url, data: { key: 'k', n } };
      await scene.publish(message, { subject: 'webhooks.ordered.k', headers: n === 1 ? due : {} });
    }
    await until(() => endpoint.accepted('k') === 2);
    expect(Date.now()).toBeGreaterThanOrEqual(dueAt);
    expect(endpoint.seen('k').map(({ n }) => n)).toEqual([1, 2]);
  });

  it('wait while their stream lacks a subject', async () => {
    const [endpoint, subjects] = [await startEndpoint(), ['webhooks.ordered.*']];
    const stream = { name: 'WEBHOOKS_ORDERED', retention: RetentionPolicy.Workqueue, subjects };
    await scene.manager.streams.add(stream);
    await scene.startWorker();
    await scene.publish({ webhook_url: endpoint.url }, { subject: 'webhooks.ordered.k' });
    await scene.manager.streams.update(stream.name, { subjects: [...subjects, 'ordered.WEBHOOKS.>'] });
    await until(() => endpoint.requests.length === 1);
    expect(endpoint.requests[0]!.headers['webhook-id']).not.toContain('-0-');
  });

  it('can be published from a shell, and are counted', async () => {
    const endpoint = await startEndpoint();
    await scene.startWorker({ CONSUMER_NAME: 'counts' });
    const publish = ['publish', '--url', endpoint.url, '--subject', 'webhooks.ordered.k', '--count', '3'];
    const { code, stdout } = await outcomeOf([...publish, '--data', '{}'], scene.env);
    expect([code, stdout]).toEqual([0, expect.stringContaining('in WEBHOOKS_ORDERED')]);
    await until(() => endpoint.requests.length === 3);
    await until(async () => {
      const row = (await statisticsOf(scene)).get('counts');
      expect(row).toMatchObject({ messages_acknowledged: 3, http_attempts: 3, messages_pending: 0 });
      return true;
    });
    const shown = await outcomeOf(['stats'], scene.env);
    expect(shown.stdout).toContain('0 ordered');
  });
});

describe('with a SUBJECT that covers the ordered subjects,', () => {
  it('every webhook is delivered without order, and the log names the cure', async () => {
    const endpoint = await startEndpoint();
    const { worker, healthIs } = await startWorkerWithHealth(scene, { SUBJECT: 'webhooks.>' });
    await scene.publish({ webhook_url: endpoint.url }, { subject: 'webhooks.ordered.k' });
    await until(() => endpoint.requests.length === 1);
    await healthIs({ code: 200, status: 'ok' });
    const warnings = logOf(worker).filter(
      // The default settings give up early, and say so.
      ({ level, msg }) => level === 'warn' && msg !== 'retries.end_early',
    );
    expect(warnings).toEqual([
      expect.objectContaining({
        msg: 'ordering.disabled',
        hint: expect.stringContaining('ORDERED_SUBJECT: the stream WEBHOOKS has the subject webhooks.>'),
      }),
    ]);
  });

  it('/health is degraded if ORDERED_SUBJECT is set', async () => {
    const { healthIs } = await startWorkerWithHealth(scene, {
      SUBJECT: 'webhooks.>',
      ORDERED_SUBJECT: 'webhooks.a.*',
    });
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: { order: expect.stringContaining('overlaps webhooks.a.*') },
    });
  });
});
