import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/statistics-table.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { deadLetterOf, flushOf } from './records.ts';

describe('beside the Rule Engine extension', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openDatabase();
  });
  afterEach(() => database.close());

  const install = async () => {
    for (const name of ['extension-005-webhooks.sql', 'extension-007-nats.sql']) {
      await database.pool.query(await readFile(new URL(`fixtures/${name}`, import.meta.url), 'utf8'));
    }
  };
  const columnsOf = async (relation: string) => {
    const { rows } = await database.pool.query(
      `SELECT attname || ' ' || format_type(atttypid, atttypmod) AS "column"
       FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
      [relation],
    );
    return rows.map((row) => row.column);
  };
  const definitionOf = async (view: string) =>
    (await database.pool.query('SELECT pg_get_viewdef($1::regclass) AS text', [view])).rows[0].text;

  it('our migrations apply after its own', async () => {
    await install();
    await migrate(database.pool, database);
    expect(await storeFlush(database.pool, flushOf({ deadLetters: [deadLetterOf()] }))).toBe('stored');
  });

  it('its migrations apply after ours', async () => {
    await migrate(database.pool, database);
    await install();
    expect(await definitionOf('nats_recent_failures')).toContain('rule_webhooks');
  });

  it('its views are never replaced', async () => {
    await install();
    const before = await definitionOf('nats_recent_failures');
    await migrate(database.pool, database);
    expect(await definitionOf('nats_recent_failures')).toBe(before);
  });

  it.each([
    ['nats_delivery_failures', 'nats_recent_failures'],
    ['nats_delivery_performance', 'nats_performance_stats'],
  ])('%s has the columns and types of its %s', async (ours, its) => {
    await install();
    await migrate(database.pool, database);
    expect(await columnsOf(ours)).toEqual(await columnsOf(its));
  });

  it.each([
    'rule_nats_config',
    'rule_nats_streams',
    'rule_nats_publish_history',
  ])('our own %s has the columns of its one', async (table) => {
    await migrate(database.pool, database);
    const ours = await columnsOf(table);
    const constraints = `
        SELECT conname FROM pg_constraint
        WHERE conrelid = '${table}'::regclass AND contype <> 'n' AND conname NOT LIKE '%webhook_id%' ORDER BY 1`;
    const ourConstraints = (await database.pool.query(constraints)).rows;
    await database.close();
    database = await openDatabase();
    await install();
    expect(ours).toEqual(await columnsOf(table));
    expect(ourConstraints).toEqual((await database.pool.query(constraints)).rows);
  });

  it('an operator keeps his own row for WEBHOOKS', async () => {
    await install();
    await database.pool.query(
      `INSERT INTO rule_nats_streams (config_id, stream_name, subjects, replicas) VALUES (1, 'WEBHOOKS', '{hooks.>}', 3)`,
    );
    await migrate(database.pool, database);
    const { rows } = await database.pool.query(
      `SELECT subjects, replicas FROM rule_nats_streams WHERE stream_name = 'WEBHOOKS'`,
    );
    expect(rows).toEqual([{ subjects: ['hooks.>'], replicas: 3 }]);
  });

  it('the average of a row that its worker wrote stays true when we add to it', async () => {
    await install();
    await database.pool.query(
      `INSERT INTO rule_nats_consumer_stats (stream_name, consumer_name, messages_delivered, avg_processing_time_ms)
       VALUES ('WEBHOOKS', 'webhook-worker-1', 10, 40)`,
    );
    await migrate(database.pool, database);
    await storeFlush(database.pool, flushOf({ counters: { delivered: 10, processingMs: 200 } }));
    const { rows } = await database.pool.query(
      'SELECT messages_delivered, avg_processing_time_ms FROM rule_nats_consumer_stats',
    );
    expect(rows).toEqual([{ messages_delivered: '20', avg_processing_time_ms: '30.00' }]);
  });

  it('a failure of a registered webhook goes by its registered name', async () => {
    await install();
    await migrate(database.pool, database);
    await database.pool.query(`
      INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test');
      INSERT INTO rule_nats_publish_history (webhook_id, subject, payload, success) VALUES (1, 'webhooks.s', '{}', false)`);
    const { rows } = await database.pool.query('SELECT webhook_name FROM nats_delivery_failures');
    expect(rows).toEqual([{ webhook_name: 'slack' }]);
  });

  it('a role that does not own its tables is told what the owner must run, and that suffices', async () => {
    await install();
    const stranger = await database.asStranger();
    await database.pool.query(`GRANT CREATE ON SCHEMA public TO ${database.stranger}`);
    for (const column of ['messages_retried', 'messages_parked']) {
      const failure = await migrate(stranger, database).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(UserError);
      const { message } = failure as UserError;
      expect(message).toContain(`rule_nats_consumer_stats (column ${column})`);
      await database.pool.query(message.slice(message.indexOf('run:\n') + 5));
    }
    await migrate(stranger, database);
    expect(await storeFlush(stranger, flushOf({ deadLetters: [deadLetterOf()] }))).toBe('stored');
  });
});
