import { beforeEach, describe, expect, it } from 'vitest';
import { encodeOrderingKey, orderingToken } from '../../src/core/message/ordering-key.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { allOrderedSettled, outOfOrder, startOrderedEndpoint } from './ordered-scene.ts';
import { createTables, register } from './rows.ts';
import { allSettled, deadLetterOf, type Endpoint, openScene, type Scene, startEndpoint } from './scene.ts';

const BARE = { 'Webhook-Payload': 'bare' };
/** Shorter than the life of a test, longer than its steps. */
const SETTINGS = { LOG_LEVEL: 'debug', BACKOFF_BASE_MS: '10' };
const ORDERS = { nats_subject: 'webhooks.orders' };

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
  await createTables(scene, SETTINGS);
});

const bodies = ({ requests }: Pick<Endpoint, 'requests'>) => requests.map(({ body }) => body.toString());
const untilParked = (count: number) =>
  until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === count);
const idOf = async (name: string) => {
  const [row] = await scene.query<{ id: number }>(
    'SELECT webhook_id::integer AS id FROM rule_webhooks WHERE webhook_name = $1',
    [name],
  );
  return row!.id;
};
const publish = (data: unknown, headers: Record<string, string>, subject = 'webhooks.orders') =>
  scene.publish(data, { subject, headers });

describe('a payload that is said to be data', () => {
  it('goes to the rows of its subject, and never to the URL that it holds', async () => {
    const [trap, one, two] = [await startEndpoint(), await startEndpoint(), await startEndpoint()];
    const bait = { webhook_url: trap.url, headers: { 'X-Evil': '1' }, method: 'DELETE', data: 1 };
    await register(scene, 'orders', one.url);
    await register(scene, 'both-1', one.url, { nats_subject: 'webhooks.both' });
    await register(scene, 'both-2', two.url, { nats_subject: 'webhooks.both' });
    await scene.startWorker(SETTINGS);
    await publish({ ...bait, n: 'one row' }, BARE);
    await publish({ ...bait, n: 'fan-out' }, BARE, 'webhooks.both');
    await publish({ ...bait, n: 'ordered' }, { ...BARE, 'Webhook-Name': 'orders' }, 'webhooks.ordered.k');
    await publish(
      { ...bait, n: 'ordered fan-out' },
      { ...BARE, 'Webhook-Name': 'both' },
      'webhooks.ordered.k',
    );
    const soon = new Date(Date.now() + 1000).toISOString();
    await publish({ ...bait, n: 'scheduled' }, { ...BARE, 'Webhook-Deliver-At': soon }, 'webhooks.both');
    await publish(Buffer.from(`{"webhook_url": ${JSON.stringify(trap.url)}, broken`), BARE);
    const nowhere = await publish({ ...bait, n: 'no row' }, BARE, 'webhooks.nowhere');
    const deadLetter = await deadLetterOf(scene, nowhere);
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe('unroutable');
    expect(deadLetter.header.get('Webhook-Payload')).toBe('bare');
    await until(() => one.requests.length === 6 && two.requests.length === 3);
    await allSettled(scene);
    await allOrderedSettled(scene);
    expect(trap.requests).toEqual([]);
    expect(two.requests.map(({ body }) => JSON.parse(body.toString()).n).sort()).toEqual([
      'fan-out',
      'ordered fan-out',
      'scheduled',
    ]);
    expect(
      one.requests.every(({ headers, method }) => method === 'POST' && headers['x-evil'] === undefined),
    ).toBe(true);
  });

  it('stays data while it is parked, retried, given up and replayed', async () => {
    const [trap, failing] = [await startEndpoint(), await startMisbehavingEndpoint()];
    const more = { ...ORDERS, paused: true, max_retries: 1, retry_delay_ms: 1 };
    await register(scene, 'orders', `${failing.url}/status/500`, more);
    await scene.startWorker(SETTINGS);
    const sequence = await publish({ webhook_url: trap.url }, BARE);
    await untilParked(1);
    await scene.query('UPDATE rule_webhooks SET paused = false');
    const deadLetter = await deadLetterOf(scene, sequence);
    expect(failing.requests.length).toBe(2);
    const headers = Object.fromEntries([...deadLetter.header].map(([name, [value]]) => [name, value!]));
    const again = await publish(JSON.parse(Buffer.from(deadLetter.data).toString()), {
      ...Object.fromEntries(
        Object.entries(headers).filter(([name]) => !/^(Nats-|Webhook-(Dead|Orig|Repl))/.test(name)),
      ),
      'Webhook-Replayed': 'true',
    });
    await deadLetterOf(scene, again);
    expect([trap.requests.length, failing.requests.length]).toEqual([0, 4]);
  });
});

describe('a message for one row', () => {
  it('goes to this row and to no other, at once, at its time, and in order', async () => {
    const [one, two] = [await startEndpoint(), await startEndpoint()];
    await register(scene, 'one', one.url, ORDERS);
    await register(scene, 'two', two.url, { nats_subject: 'webhooks.*', event_types: ['never'] });
    const directed = { 'Webhook-Endpoint-Id': String(await idOf('two')) };
    await scene.startWorker(SETTINGS);
    await publish('now', directed);
    const soon = new Date(Date.now() + 1000).toISOString();
    await publish('later', { ...directed, 'Webhook-Deliver-At': soon });
    await publish('ordered', { ...directed, 'Webhook-Name': 'orders' }, 'webhooks.ordered.k');
    const lost = await publish('lost', { 'Webhook-Endpoint-Id': '4711' });
    const { header } = await deadLetterOf(scene, lost);
    expect([header.get('Webhook-Dead-Letter-Reason'), header.get('Webhook-Endpoint-Id')]).toEqual([
      'unroutable',
      '4711',
    ]);
    expect(header.get('Webhook-Dead-Letter-Detail')).toContain('webhook_id 4711 and to no other');
    await until(() => two.requests.length === 3);
    await allSettled(scene);
    expect(bodies(two).sort()).toEqual(['"later"', '"now"', '"ordered"']);
    expect(one.requests).toEqual([]);
  });

  it('finds its row after the row was renamed, and no other row after it was deleted, while it was parked', async () => {
    const [one, two, later] = [await startEndpoint(), await startEndpoint(), await startEndpoint()];
    await register(scene, 'one', one.url, ORDERS);
    await register(scene, 'renamed', two.url, { paused: true });
    await register(scene, 'deleted', two.url, { paused: true });
    await register(scene, 'disabled', two.url, { paused: true });
    const ids = await Promise.all(['renamed', 'deleted', 'disabled'].map(idOf));
    await scene.startWorker({ ...SETTINGS, DISABLED_ENDPOINT: 'dead-letter' });
    const sequences: number[] = [];
    for (const id of ids) sequences.push(await publish({ id }, { 'Webhook-Endpoint-Id': String(id) }));
    await untilParked(3);
    await scene.query(
      `UPDATE rule_webhooks SET webhook_name = 'new', paused = false WHERE webhook_name = 'renamed'`,
    );
    await scene.query(`DELETE FROM rule_webhooks WHERE webhook_name = 'deleted'`);
    await register(scene, 'deleted', later.url, ORDERS);
    await scene.query(
      `UPDATE rule_webhooks SET enabled = false, paused = false WHERE webhook_name = 'disabled'`,
    );
    const deleted = (await deadLetterOf(scene, sequences[1]!)).header;
    expect([deleted.get('Webhook-Dead-Letter-Reason'), deleted.get('Webhook-Endpoint-Id')]).toEqual([
      'unroutable',
      String(ids[1]),
    ]);
    const disabled = (await deadLetterOf(scene, sequences[2]!)).header;
    expect([disabled.get('Webhook-Dead-Letter-Reason'), disabled.get('Webhook-Endpoint-Id')]).toEqual([
      'disabled',
      String(ids[2]),
    ]);
    await until(() => two.requests.length === 1);
    await allSettled(scene);
    expect([one.requests.length, bodies(two), later.requests.length]).toEqual([0, [`{"id":${ids[0]}}`], 0]);
  });
});

describe('an ordering key beside a name', () => {
  const KEYS = ['a.b', 'a*b', 'a b', 'a_b', '*', '>', 'é', 'e\u0301', 'ö'.repeat(100), 'plain'];

  it('keeps the order over several names, and over any text as a key', async () => {
    const endpoint = await startOrderedEndpoint(({ request }) => request % 5 !== 0);
    const more = { max_retries: 10, retry_delay_ms: 1 };
    await register(scene, 'orders', endpoint.url, more);
    await register(scene, 'invoices', endpoint.url, { ...more, nats_subject: 'webhooks.invoices' });
    for (let n = 1; n <= 6; n++) {
      for (const key of KEYS) {
        const headers = {
          'Webhook-Name': n % 2 === 0 ? 'orders' : 'invoices',
          'Ordering-Key': encodeOrderingKey(key),
        };
        await publish({ key, n }, headers, `webhooks.ordered.${orderingToken(key)}`);
      }
    }
    await scene.startWorker(SETTINGS);
    await scene.startWorker({ ...SETTINGS, CONSUMER_NAME: 'worker-2' });
    await allOrderedSettled(scene);
    for (const key of KEYS)
      expect([key, endpoint.accepted(key), outOfOrder(endpoint.seen(key))]).toEqual([key, 6, []]);
    const rows = await until(async () => {
      const found = await scene.query<{ name: string; count: number }>(
        `SELECT webhook_name AS name, count(*)::integer FROM nats_deliveries WHERE status = 'delivered' GROUP BY 1 ORDER BY 1`,
      );
      return found.reduce((sum, { count }) => sum + count, 0) === 60 && found;
    });
    expect(rows).toEqual([
      { name: 'invoices', count: 30 },
      { name: 'orders', count: 30 },
    ]);
  });

  it('is said to be ignored on a subject without order, once', async () => {
    const endpoint = await startEndpoint();
    await register(scene, 'orders', endpoint.url);
    const worker = await scene.startWorker(SETTINGS);
    for (const n of [1, 2]) await publish({ n }, { 'Ordering-Key': 'k' });
    await until(() => endpoint.requests.length === 2);
    await allSettled(scene);
    await worker.waitForLine(/delivery\.order_ignored/);
    expect(worker.stdout.filter((line) => line.includes('delivery.order_ignored'))).toHaveLength(1);
  });
});

describe('the headers of one message', () => {
  it('change its attempts, its query and its headers, and no log and no table shows them', async () => {
    const failing = await startEndpoint({ status: 500 });
    const more = { ...ORDERS, max_retries: 9, retry_delay_ms: 1, params: { from: 'row', token: 'row' } };
    await register(scene, 'orders', `${failing.url}/in`, more);
    const worker = await scene.startWorker(SETTINGS);
    const sequence = await publish(
      { event: 'order.paid', n: 1 },
      {
        'Webhook-Max-Attempts': '2',
        'Webhook-Params': '{"token":"SECRET-1"}',
        'Webhook-Headers': '{"X-Token":"SECRET-2"}',
        'Webhook-Event-Id': 'evt_1',
      },
    );
    const wrong = await publish({ n: 2 }, { 'Webhook-Params': '{"token":"SECRET-3"' });
    const { header } = await deadLetterOf(scene, sequence);
    expect(header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
    expect(failing.requests.map(({ path, headers }) => [path, headers['x-token']])).toEqual(
      Array(2).fill(['/in?from=row&token=SECRET-1', 'SECRET-2']),
    );
    const malformed = (await deadLetterOf(scene, wrong)).header;
    expect(malformed.get('Webhook-Dead-Letter-Detail')).toBe(
      'the NATS header Webhook-Params is not valid JSON',
    );
    const rows = await until(async () => {
      const found = await scene.query<{ event_type: string; event_id: string; webhook_name: string }>(
        `SELECT * FROM nats_deliveries WHERE dead_letter_reason IS NOT NULL ORDER BY event_id NULLS LAST`,
      );
      return found.length === 2 && found;
    });
    expect(rows[0]).toMatchObject({ event_type: 'order.paid', event_id: 'evt_1', webhook_name: 'orders' });
    const attempts = await scene.query('SELECT * FROM rule_nats_delivery_attempts');
    const history = await scene.query('SELECT * FROM rule_nats_publish_history');
    expect(JSON.stringify([rows, attempts, history, worker.stdout, worker.stderr])).not.toContain('SECRET');
    expect(attempts).toHaveLength(2);
  });
});
