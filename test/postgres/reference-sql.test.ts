import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { readStreamRow } from '../../src/postgres/tables/streams-table.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { attemptOf, deadLetterOf, failedAttemptOf, flushOf } from './records.ts';

/** The SQL in the README of the reference worker, copied unchanged. */
describe("the SQL in the reference worker's README", () => {
  let database: TestDatabase;
  const rowsOf = async (sql: string) => (await database.pool.query(sql)).rows;

  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
    const attempts = [
      attemptOf({ durationMs: 10 }),
      attemptOf({ deliveryId: 'delivery-2', durationMs: 30 }),
      failedAttemptOf({ deliveryId: 'delivery-3' }),
    ];
    const counters = { settled: 4, acknowledged: 2, retried: 1, deadLettered: 1, processingMs: 100 };
    const deadLetters = [deadLetterOf({ deliveryId: 'delivery-4' })];
    await storeFlush(database.pool, flushOf({ counters, attempts, deadLetters }));
  });
  afterAll(() => database.close());

  it('shows the statistics of a worker', async () => {
    const rows = await rowsOf(`SELECT * FROM rule_nats_consumer_stats
WHERE consumer_name = 'webhook-worker-1';`);
    expect(rows).toMatchObject([{ queue_group: 'webhook-workers', ack_policy: 'explicit', max_deliver: -1 }]);
  });

  it('shows the active workers', async () => {
    const rows = await rowsOf(`-- View consumer statistics
SELECT
    consumer_name,
    messages_delivered,
    messages_acknowledged,
    avg_processing_time_ms,
    last_active_at
FROM rule_nats_consumer_stats
WHERE stream_name = 'WEBHOOKS'
  AND active = true;`);
    expect(rows).toEqual([
      {
        consumer_name: 'webhook-worker-1',
        messages_delivered: '4',
        messages_acknowledged: '2',
        avg_processing_time_ms: '25.00',
        last_active_at: expect.any(Date),
      },
    ]);
  });

  it('shows recent failures', async () => {
    expect(await rowsOf('SELECT * FROM nats_recent_failures LIMIT 10;')).toMatchObject([
      { webhook_name: 'orders', subject: 'webhooks.orders', error_message: 'exhausted: HTTP 503' },
    ]);
  });

  it('shows performance', async () => {
    expect(await rowsOf('SELECT * FROM nats_performance_stats;')).toMatchObject([
      { webhook_name: 'orders', message_count: '2', avg_latency_ms: '20.00', p50_latency_ms: 20 },
    ]);
  });

  it('counts the errors of the last hour', async () => {
    const rows = await rowsOf(`SELECT
    error_message,
    COUNT(*) as occurrences
FROM rule_nats_publish_history
WHERE success = false
  AND published_at >= NOW() - INTERVAL '1 hour'
GROUP BY error_message
ORDER BY occurrences DESC;`);
    expect(rows).toEqual([{ error_message: 'exhausted: HTTP 503', occurrences: '1' }]);
  });

  it('sets the storage of the stream that the worker creates', async () => {
    await rowsOf(`UPDATE rule_nats_streams
SET storage_type = 'memory',
    max_messages = 10000000
WHERE stream_name = 'WEBHOOKS';`);
    expect(await readStreamRow(database.pool, 'WEBHOOKS')).toMatchObject({
      storageType: 'memory',
      maxMessages: 10_000_000,
    });
  });
});
