import { beforeEach, describe, expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startVictim, victimKilled } from './dying.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { createTables, register } from './rows.ts';
import {
  allSettled,
  type Endpoint,
  logOf,
  openScene,
  type Scene,
  startEndpoint,
  statisticsOf,
  stopWorker,
  sumOf,
} from './scene.ts';

const SETTINGS = { ACK_WAIT_MS: '3000', ATTEMPT_TIMEOUT_MS: '1500', LOG_LEVEL: 'debug' };
/** One retry, after 1 ms. */
const QUICK_RETRY = { max_retries: 1, retry_delay_ms: 1 };
const ORDERS = { nats_subject: 'webhooks.orders' };

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
  await createTables(scene, SETTINGS);
});

const publish = (data: unknown, headers = {}) => scene.publish(data, { subject: 'webhooks.orders', headers });
const deadLetterSubjects = async () => {
  const { state } = await scene.manager.streams.info('WEBHOOKS_DLQ', { subjects_filter: '>' });
  return Object.entries(state.subjects ?? {});
};
/** How often each body has arrived. */
const countsByBody = ({ requests }: Pick<Endpoint, 'requests'>) => {
  const by = new Map<string, number>();
  for (const { body } of requests) by.set(body.toString(), (by.get(body.toString()) ?? 0) + 1);
  return by;
};

describe('a message for several endpoints', () => {
  it('arrives once at each healthy endpoint, and becomes a dead letter for the failing one', async () => {
    const [one, two, dead] = [await startEndpoint(), await startEndpoint(), await startMisbehavingEndpoint()];
    await register(scene, 'one', one.url, ORDERS);
    await register(scene, 'two', two.url, { nats_subject: 'webhooks.*' });
    await register(scene, 'dead', `${dead.url}/status/500`, { ...ORDERS, ...QUICK_RETRY });
    await scene.startWorker();
    for (const n of [1, 2]) await publish({ n }, { 'Nats-Msg-Id': `order-${n}` });
    await until(async () => (await deadLetterSubjects()).length === 2);
    await allSettled(scene);
    for (const endpoint of [one, two])
      expect([endpoint.received().webhookIds, endpoint.received().doubled]).toEqual([2, 0]);
    expect(dead.requests.length).toBe(4);
    expect(one.requests.map(({ headers }) => headers['webhook-id'])).toContain('order-2');
    const rows = await until(async () => {
      const found = await scene.query<{ endpoint: string; status: string; attempts: number }>(
        `SELECT split_part(endpoint, '-', 1) AS endpoint, status, attempts FROM nats_deliveries
         WHERE delivery_id = 'order-2' ORDER BY 1`,
      );
      return found.length === 3 && found.every(({ status }) => status !== 'retrying') && found;
    });
    expect(rows).toEqual([
      { endpoint: 'dead', status: 'dead-lettered', attempts: 2 },
      { endpoint: 'one', status: 'delivered', attempts: 1 },
      { endpoint: 'two', status: 'delivered', attempts: 1 },
    ]);
  });

  it.each([
    ['two names', { alive: 'one', dead: 'two' }, [4978, 16_399]],
    ['two names that look alike in keys', { alive: 'é', dead: 'ü' }, [16_399, 4978]],
  ] as const)('is two deliveries for two rows whose keys have the same digits, with %s', async (_what, names, [
    aliveId,
    deadId,
  ]) => {
    const [alive, dead] = [await startEndpoint(), await startMisbehavingEndpoint()];
    const more = { ...ORDERS, ...QUICK_RETRY };
    await register(scene, names.alive, alive.url, { ...more, webhook_id: aliveId });
    await register(scene, names.dead, `${dead.url}/status/500`, { ...more, webhook_id: deadId });
    await scene.startWorker(SETTINGS);
    for (const n of [1, 2]) await publish({ n }, { 'Nats-Msg-Id': `order-${n}` });
    const subjects = await until(async () => {
      const found = await deadLetterSubjects();
      return found.length === 2 && found.map(([subject]) => subject);
    });
    await allSettled(scene);
    expect(alive.received()).toMatchObject({ webhookIds: 2, doubled: 0 });
    expect(dead.requests.length).toBe(4);
    for (const subject of subjects) {
      const { header } = await scene.manager.streams.getMessage('WEBHOOKS_DLQ', { last_by_subj: subject });
      expect(header.get('Webhook-Endpoint-Id')).toBe(String(deadId));
    }
    const rows = await until(async () => {
      const found = await scene.query<{ id: number; digits: string; status: string; attempts: number }>(
        `SELECT webhook_id::integer AS id, substring(endpoint from '-([0-9a-f]{8})(?:-id\\d+)?$') AS digits, status, attempts
         FROM nats_deliveries WHERE delivery_id = 'order-2' ORDER BY status`,
      );
      return found.length === 2 && found.every(({ status }) => status !== 'retrying') && found;
    });
    const digits = 'ffc064f7';
    expect(rows).toEqual([
      { id: deadId, digits, status: 'dead-lettered', attempts: 2 },
      { id: aliveId, digits, status: 'delivered', attempts: 1 },
    ]);
  });

  it.each([
    ['before the first copy is stored', 'parking.copying', 3],
    ['between two copies', 'parking.copied', 4],
    ['after all copies of one message are stored', 'parking.copied', 6],
    ['after the message is acked', 'parking.moved', 1],
  ])('is neither lost nor doubled if a worker is killed %s', async (_when, at, time) => {
    const endpoints = await Promise.all([startEndpoint(), startEndpoint(), startEndpoint()]);
    for (const [index, { url }] of endpoints.entries()) await register(scene, `e${index}`, url, ORDERS);
    const victim = await startVictim({ scene, endpoint: { url: '', requests: [] } }, { at, time }, SETTINGS);
    for (let n = 0; n < 10; n++) await publish({ n });
    await victimKilled(victim);
    // Only messages that the victim has sent and not acked may arrive twice.
    const before = endpoints.map(countsByBody);
    await scene.startWorker(SETTINGS);
    await allSettled(scene);
    for (const [index, endpoint] of endpoints.entries()) {
      const after = countsByBody(endpoint);
      expect(after.size).toBe(10);
      for (const [body, times] of after)
        expect(times).toBeLessThanOrEqual(1 + (before[index]!.get(body) ?? 0));
    }
  });

  it('goes to the endpoints whose event_types accept it, and is discarded and counted if none does', async () => {
    const [all, orders] = [await startEndpoint(), await startEndpoint()];
    await register(scene, 'all', all.url, ORDERS);
    await register(scene, 'some', orders.url, { ...ORDERS, event_types: ['order.*'] });
    await register(scene, 'picky', orders.url, { nats_subject: 'webhooks.picky', event_types: ['x'] });
    const worker = await scene.startWorker();
    await publish({ type: 'order.paid' });
    await publish({ event: 'refund' });
    await publish('text', { 'X-Event-Type': 'order.line.added' });
    const discarded = await scene.publish({ type: 'y' }, { subject: 'webhooks.picky' });
    await until(() => all.requests.length === 3 && orders.requests.length === 2);
    await until(async () => sumOf(await statisticsOf(scene), 'messages_dropped') === 1);
    await allSettled(scene);
    expect([all.requests.length, orders.requests.length]).toEqual([3, 2]);
    expect(await deadLetterSubjects()).toEqual([]);
    expect((await outcomeOf(['stats'], scene.env)).stdout).toContain(
      '1 discarded: no row accepts their event type, or they are delete markers of NATS',
    );
    expect(await scene.deliveryOf(discarded, 'discarded')).toMatchObject({ attempts: 0 });
    expect(logOf(worker).filter(({ msg }) => msg === 'delivery.discarded')).toMatchObject([
      { sequence: discarded, error: expect.stringContaining('the event type "y"') },
    ]);
  });

  it('that is not JSON is delivered or becomes a dead letter, and is never dropped', async () => {
    const endpoint = await startEndpoint();
    await register(scene, 'orders', endpoint.url, { event_types: ['order.*'] });
    await register(scene, 'every', endpoint.url, { event_types: ['*'] });
    await scene.startWorker();
    const broken = await publish(Buffer.from('{"event":"order.created","total":NaN}'));
    await scene.publish({ user_id: 1 }, { subject: 'webhooks.every' });
    await allSettled(scene);
    expect(endpoint.requests.map(({ body }) => body.toString())).toEqual(['{"user_id":1}']);
    expect(await scene.deliveryOf(broken, 'dead-lettered')).toMatchObject({
      dead_letter_reason: 'malformed',
      last_error: expect.stringContaining('the payload is not JSON: it breaks at byte 33'),
    });
  });

  it('that was meant as an envelope goes to no row, and no table and no line of the log has its headers', async () => {
    const endpoint = await startEndpoint();
    await register(scene, 'every', endpoint.url, { nats_subject: 'webhooks.*' });
    const worker = await scene.startWorker({ LOG_LEVEL: 'debug', STORE_PAYLOADS: 'failures' });
    const envelopes = [
      '{"headers":{"Authorization":"Bearer X1X"},"data":{"t":NaN},"webhook_url":"https://a.example/x"}',
      `{'headers':{'Authorization':'Bearer X1X'},'webhook_url':'https://a.example/x'}`,
      '{"headers":{"Authorization: Bearer X1X":1},"webhook\\u005furl":"https://a.example/x"',
      '\u0000{"headers":{"Authorization":"Bearer X1X"},"webhook_url":"https://a.example/x"}',
    ];
    const last = [];
    for (const text of envelopes) last.push(await publish(Buffer.from(text)));
    last.push(await publish(Buffer.from(envelopes[0]!, 'utf16le')));
    await allSettled(scene);
    for (const sequence of last)
      expect(await scene.deliveryOf(sequence, 'dead-lettered')).toMatchObject({
        dead_letter_reason: 'malformed',
      });
    expect(endpoint.requests).toEqual([]);
    const stored = await scene.query('SELECT * FROM rule_nats_publish_history');
    expect(stored).toHaveLength(5);
    expect(JSON.stringify(stored) + worker.stdout.join('')).not.toContain('X1X');
  });

  it('is delivered if its row was changed to accept its event type just before it was published', async () => {
    const endpoint = await startEndpoint();
    await register(scene, 'picky', endpoint.url, { ...ORDERS, event_types: ['nothing'] });
    await scene.startWorker();
    await publish({ type: 'first' });
    await until(async () => sumOf(await statisticsOf(scene), 'messages_dropped') === 1);
    await scene.query(`UPDATE rule_webhooks SET event_types = '{second}'`);
    await publish({ type: 'second' });
    await allSettled(scene);
    expect(endpoint.requests.length).toBe(1);
  });

  it('waits while PostgreSQL is away at the start of a worker, and then arrives once at each endpoint', async () => {
    const postgres = await startPrivatePostgres();
    scene = await openScene({ databaseUrl: postgres.url });
    await createTables(scene, SETTINGS);
    const [one, two] = [await startEndpoint(), await startEndpoint()];
    await register(scene, 'one', one.url, { ...ORDERS, paused: true });
    await register(scene, 'two', two.url, { ...ORDERS, paused: true });
    const first = await scene.startWorker();
    await publish({ n: 1 });
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 2);
    await stopWorker(first);
    await postgres.kill();
    const second = await scene.startWorker();
    await publish({ n: 2 });
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 3);
    await postgres.restart();
    await until(() => scene.query(`UPDATE rule_webhooks SET paused = false`));
    await allSettled(scene);
    await stopWorker(second);
    for (const endpoint of [one, two])
      expect([...countsByBody(endpoint)].sort()).toEqual([
        ['{"n":1}', 1],
        ['{"n":2}', 1],
      ]);
  });

  it('becomes a dead letter for a disabled endpoint, with DISABLED_ENDPOINT=dead-letter', async () => {
    const [on, off] = [await startEndpoint(), await startEndpoint()];
    await register(scene, 'on', on.url, ORDERS);
    await register(scene, 'off', off.url, { ...ORDERS, enabled: false });
    await scene.startWorker({ DISABLED_ENDPOINT: 'dead-letter' });
    await publish({ n: 1 });
    await until(async () => (await deadLetterSubjects()).length === 1);
    await allSettled(scene);
    expect([on.requests.length, off.requests.length]).toEqual([1, 0]);
  });

  it('becomes a dead letter with the cure if it is too large for its copies', async () => {
    const endpoint = await startEndpoint();
    for (const name of ['one', 'two']) await register(scene, name, endpoint.url, ORDERS);
    await scene.startWorker();
    await publish(Buffer.alloc(1024 * 1024 - 100, '1'));
    // The parts of a large dead letter are stored before the dead letter itself.
    const subject = await until(
      async () => (await deadLetterSubjects()).find(([each]) => each.endsWith('.none'))?.[0],
    );
    const deadLetter = await scene.manager.streams.getMessage('WEBHOOKS_DLQ', { last_by_subj: subject });
    expect(deadLetter.header.get('Webhook-Dead-Letter-Detail')).toContain('raise max_payload');
  });

  it('becomes a dead letter only for the endpoint whose row is deleted', async () => {
    const [stays, goes] = [await startEndpoint(), await startEndpoint()];
    await register(scene, 'stays', stays.url, ORDERS);
    await register(scene, 'goes', goes.url, { ...ORDERS, paused: true });
    await scene.startWorker();
    await publish({ n: 1 });
    await until(() => stays.requests.length === 1);
    await scene.query(`DELETE FROM rule_webhooks WHERE webhook_name = 'goes'`);
    await allSettled(scene);
    expect(await deadLetterSubjects()).toEqual([[expect.stringMatching(/\.goes-[0-9a-f]{8}$/), 1]]);
    expect([stays.requests.length, goes.requests.length]).toEqual([1, 0]);
  });
});
