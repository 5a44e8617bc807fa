import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inTransaction } from '../../src/postgres/connection/transaction.ts';
import { maintain } from '../../src/postgres/maintain.ts';
import { migrate, readMigrations } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { readUnhealthyEndpoints } from '../../src/postgres/tables/endpoint-health-view.ts';
import { readEndpointLimits } from '../../src/postgres/tables/endpoints-table.ts';
import { readAppliedToChange, recordApplied } from '../../src/postgres/tables/migrations-table.ts';
import { readBacklog } from '../../src/postgres/tables/outbox-backlog-view.ts';
import { disableWebhook } from '../../src/postgres/tables/webhooks-table.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { readWebhooks } from './read-webhooks.ts';
import { endpointStateOf, flushOf } from './records.ts';

const GROUP = { streamName: 'WEBHOOKS', queueGroup: 'webhook-workers' };

describe('an upgrade from a version without endpoint states', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openDatabase();
    await inTransaction(database.pool, async (client) => {
      await readAppliedToChange(client);
      for (const { name, sql, checksum } of (await readMigrations()).filter(({ name }) => name < '0006')) {
        await client.query(sql);
        await recordApplied(client, name, checksum);
      }
    });
  });
  afterEach(() => database.close());

  it('keeps a role working that may only write statistics', async () => {
    const worker = await database.asStranger();
    await database.pool.query(`
      GRANT SELECT, INSERT, UPDATE ON rule_nats_consumer_stats, rule_nats_group_progress TO ${database.stranger};
      GRANT USAGE ON SEQUENCE rule_nats_consumer_stats_consumer_id_seq TO ${database.stranger};
      GRANT SELECT, INSERT, DELETE ON rule_nats_publish_history TO ${database.stranger};
      GRANT EXECUTE ON FUNCTION rule_nats_delivery_attempts_add_day TO ${database.stranger};
      GRANT SELECT, INSERT, UPDATE, DELETE ON rule_nats_worker_instances TO ${database.stranger}`);
    await migrate(database.pool, database);
    expect((await storeFlush(worker, flushOf({ endpoints: [endpointStateOf()] }))).result).toBe('stored');
    expect(await readEndpointLimits(worker, GROUP)).toMatchObject({ instances: [{}] });
    expect(await readUnhealthyEndpoints(worker, 'WEBHOOKS', 20)).toMatchObject({ total: 1 });
    expect(await readWebhooks(worker)).toEqual([]);
    expect(await readBacklog(worker)).toMatchObject({ waiting: 0 });
    expect(await disableWebhook(worker, 1, 'it answered 410')).toBe(false);
    await maintain(worker, { attemptRetentionDays: 7, now: Date.now() });
  });

  it('gives no new permissions to a role that may only read', async () => {
    const reader = await database.asStranger();
    await database.pool.query(`GRANT SELECT ON rule_nats_worker_instances TO ${database.stranger}`);
    await migrate(database.pool, database);
    for (const table of ['rule_nats_endpoint_states', 'rule_webhooks', 'rule_webhook_secrets'])
      await expect(reader.query(`SELECT FROM ${table}`)).rejects.toMatchObject({ code: '42501' });
  });

  it('lets who reads the outbox or the counts of webhooks read the backlog, too', async () => {
    await inTransaction(database.pool, async (client) => {
      await readAppliedToChange(client);
      for (const { name, sql, checksum } of (await readMigrations()).filter(({ name }) => name >= '0006')) {
        if (name >= '0035') break;
        await client.query(sql);
        await recordApplied(client, name, checksum);
      }
    });
    const reader = await database.asStranger();
    await database.pool.query(`GRANT SELECT ON nats_webhook_counts TO ${database.stranger}`);
    await migrate(database.pool, database);
    expect(await readBacklog(reader)).toEqual({ waiting: 0, failed: 0, oldestAgeMs: null });
    await expect(reader.query('SELECT FROM rule_nats_outbox')).rejects.toMatchObject({ code: '42501' });
  });

  it('keeps the counts, and counts workers that still run the older version', async () => {
    await database.pool.query(
      `INSERT INTO rule_nats_consumer_stats (stream_name, consumer_name, messages_delivered, messages_retried)
       VALUES ('WEBHOOKS', 'webhook-worker-1', 5, 2)`,
    );
    await migrate(database.pool, database);
    await database.pool.query(
      `INSERT INTO rule_nats_worker_instances (instance_id, stream_name, consumer_name, last_number, silent_after_ms)
       VALUES ('a4b0b1f0-0000-4000-8000-000000000000', 'WEBHOOKS', 'older', 1, 30000)`,
    );
    await storeFlush(database.pool, flushOf({ counters: { settled: 1, parked: 3 } }));
    const { rows } = await database.pool.query(
      'SELECT messages_delivered, messages_retried, messages_parked FROM rule_nats_consumer_stats',
    );
    expect(rows).toEqual([{ messages_delivered: '6', messages_retried: '2', messages_parked: '3' }]);
    expect(await readEndpointLimits(database.pool, GROUP)).toMatchObject({ instances: [{}, {}] });
  });
});
