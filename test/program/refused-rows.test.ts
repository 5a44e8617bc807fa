import { expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { deadLetterOf, logOf, openScene, startEndpoint, statisticsOf, stopWorker } from './scene.ts';

const MANY_DIGITS = `0.${'1'.repeat(15_900)}e-999`;

it('no body and no row stops the statistics: a row that PostgreSQL refuses is dropped, counted and said once', async () => {
  const scene = await openScene();
  const worker = await scene.startWorker({
    CONSUMER_NAME: 'one',
    STORE_PAYLOADS: 'failures',
    STORE_PAYLOAD_BYTES: '100000',
    MAX_ATTEMPTS: '1',
  });
  const endpoint = await startEndpoint({ status: 500 });
  const giveUp = async (data: string) => {
    const sequence = await scene.publish(Buffer.from(`{"webhook_url":"${endpoint.url}","data":${data}}`));
    await deadLetterOf(scene, sequence);
    return sequence;
  };
  const numbers = await giveUp(`{"n":${MANY_DIGITS}}`);
  await scene.deliveryOf(numbers, 'dead-lettered');

  await scene.query(
    `ALTER TABLE rule_nats_publish_history ADD CHECK (payload -> 'data' ->> 'kind' IS DISTINCT FROM 'bad')`,
  );
  for (let n = 0; n < 2; n++) {
    await giveUp('{"kind":"bad"}');
    await until(async () => (await statisticsOf(scene)).get('one')?.rows_dropped === n + 1);
  }
  await scene.deliveryOf(await giveUp('{"kind":"good"}'), 'dead-lettered');

  expect(await stopWorker(worker)).toMatchObject({ unflushedRows: 0 });
  expect((await statisticsOf(scene)).get('one')).toMatchObject({
    messages_dead_lettered: 4,
    rows_dropped: 2,
  });
  const bodies = await scene.query(
    `SELECT payload -> 'data' ->> 'kind' AS kind, length(payload ->> 'data') > 15900 AS is_long
     FROM rule_nats_publish_history ORDER BY sequence_number`,
  );
  expect(bodies).toEqual([
    { kind: null, is_long: true },
    { kind: 'good', is_long: false },
  ]);
  expect(logOf(worker).filter(({ msg }) => String(msg).startsWith('statistics.'))).toMatchObject([
    { msg: 'statistics.rows_refused', table: 'rule_nats_publish_history', rows: 1, code: '23514' },
  ]);
});

it('no damaged table stops rows, counters, pauses or a stop', async () => {
  const scene = await openScene();
  const worker = await scene.startWorker({ CONSUMER_NAME: 'one' });
  const endpoint = await startEndpoint();
  await scene.deliveryOf(await scene.publish({ webhook_url: endpoint.url }), 'delivered');
  await scene.query('ALTER TABLE rule_nats_worker_instances DROP COLUMN settings, DROP COLUMN queue_group');
  await scene.query('ALTER TABLE rule_nats_endpoints DROP COLUMN rate_limit');
  await scene.query(
    'ALTER TABLE rule_nats_consumer_stats ADD CONSTRAINT refused CHECK (messages_delivered < 2)',
  );
  await scene.deliveryOf(await scene.publish({ webhook_url: endpoint.url }), 'delivered');

  await worker.waitForLine(/limits\.read_incomplete/);
  await scene.query(
    `INSERT INTO rule_nats_endpoints (endpoint_key, paused) VALUES (nats_endpoint_key($1), true)`,
    [endpoint.url],
  );
  await worker.waitForLine(/endpoint\.paused/);
  await scene.publish({ webhook_url: endpoint.url });
  await scene.query('DELETE FROM rule_nats_endpoints');
  await until(() => endpoint.requests.length === 3);

  await scene.query('ALTER TABLE rule_nats_consumer_stats DROP CONSTRAINT refused');
  expect(await stopWorker(worker)).toMatchObject({ unflushedRows: 0 });
  expect((await statisticsOf(scene)).get('one')).toMatchObject({
    messages_acknowledged: 3,
    rows_dropped: 0,
    active: false,
  });
  const refused = logOf(worker).filter(({ msg }) => msg === 'statistics.rows_refused');
  expect(new Set(refused.map(({ table }) => table))).toEqual(
    new Set(['rule_nats_worker_instances', 'rule_nats_consumer_stats']),
  );
  expect(refused.every(({ rows }) => rows === 0)).toBe(true);
});
