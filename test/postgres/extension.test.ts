import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { disableWebhook } from '../../src/postgres/tables/webhooks-table.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { deadLetterOf, flushOf } from './records.ts';

describe('beside the Rule Engine extension', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openDatabase();
  });
  afterEach(() => database.close());

  const apply = async (name: string) => {
    await database.pool.query(await readFile(new URL(`fixtures/${name}`, import.meta.url), 'utf8'));
  };
  const install = async () => {
    await apply('extension-005-webhooks.sql');
    await apply('extension-007-nats.sql');
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

  it('the migrations of the worker apply after those of the extension', async () => {
    await install();
    await migrate(database.pool, database);
    expect((await storeFlush(database.pool, flushOf({ deadLetters: [deadLetterOf()] }))).result).toBe(
      'stored',
    );
  });

  it('the migrations of the extension apply after those of the worker', async () => {
    await migrate(database.pool, database);
    await install();
    expect(await definitionOf('nats_recent_failures')).toContain('rule_webhooks');
  });

  it('the views of the extension are never replaced', async () => {
    await install();
    const before = await definitionOf('nats_recent_failures');
    await migrate(database.pool, database);
    expect(await definitionOf('nats_recent_failures')).toBe(before);
  });

  it.each([
    ['nats_delivery_failures', 'nats_recent_failures'],
    ['nats_delivery_performance', 'nats_performance_stats'],
  ])('%s has the columns and types of %s of the extension', async (ours, theirs) => {
    await install();
    await migrate(database.pool, database);
    expect(await columnsOf(ours)).toEqual(await columnsOf(theirs));
  });

  it.each([
    'rule_nats_config',
    'rule_nats_streams',
    'rule_nats_publish_history',
    'rule_webhook_secrets',
    'rule_webhook_calls',
    'rule_webhook_call_history',
  ])('%s of the worker has the columns of the table of the extension', async (table) => {
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

  const constraintsOf = async (table: string) => {
    const { rows } = await database.pool.query(
      `SELECT conname || ' ' || pg_get_constraintdef(oid) AS text FROM pg_constraint
       WHERE conrelid = $1::regclass AND contype <> 'n' ORDER BY 1`,
      [table],
    );
    return rows.map((row) => row.text);
  };
  const defaultsOf = async (table: string) => {
    const { rows } = await database.pool.query(
      `SELECT attname || ' ' || attnotnull || ' ' || coalesce(pg_get_expr(adbin, adrelid), '') AS text
       FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
      [table],
    );
    return rows.map((row) => row.text);
  };

  it('rule_webhooks of the worker has the columns of the extension first, and then further ones', async () => {
    await migrate(database.pool, database);
    const [columns, constraints] = [await columnsOf('rule_webhooks'), await constraintsOf('rule_webhooks')];
    const defaults = await defaultsOf('rule_webhooks');
    await database.close();
    database = await openDatabase();
    await install();
    const theirs = await columnsOf('rule_webhooks');
    expect(columns.slice(0, theirs.length)).toEqual(theirs);
    expect(columns.slice(theirs.length)).toContain('paused boolean');
    expect(defaults.slice(0, theirs.length)).toEqual(await defaultsOf('rule_webhooks'));
    expect(constraints).toEqual(expect.arrayContaining(await constraintsOf('rule_webhooks')));
  });

  it.each([
    ['before 005 of the extension', async () => {}],
    ['between 005 and 007 of the extension', () => apply('extension-005-webhooks.sql')],
    ['after both', install],
  ])('rule_webhooks becomes the same when the migrations of the worker are applied %s', async (_, prepare) => {
    await install();
    await migrate(database.pool, database);
    const expected = [await columnsOf('rule_webhooks'), await constraintsOf('rule_webhooks')];
    await database.close();
    database = await openDatabase();
    await prepare();
    await migrate(database.pool, database);
    // The extension's migrations skip existing tables. 007 cannot be applied twice, with or without this worker.
    await apply('extension-005-webhooks.sql');
    if (prepare !== install) await apply('extension-007-nats.sql');
    expect([await columnsOf('rule_webhooks'), await constraintsOf('rule_webhooks')]).toEqual(expected);
  });

  const sourcesOf = async () => {
    const { rows } = await database.pool.query(
      `SELECT proname, prosrc LIKE '%extension%' AS "isTheirs" FROM pg_proc
       WHERE pronamespace = 'public'::regnamespace AND (proname LIKE 'rule_webhook_%' OR proname = 'rule_nats_webhooks_list')`,
    );
    return rows;
  };

  it('the functions of the extension are never replaced, and replace those of the worker when they come later', async () => {
    await install();
    const theirs = await sourcesOf();
    expect(theirs).toHaveLength(13);
    await migrate(database.pool, database);
    expect(await sourcesOf()).toEqual(theirs);
    await database.close();
    database = await openDatabase();
    await migrate(database.pool, database);
    expect(new Set((await sourcesOf()).map(({ isTheirs }) => isTheirs))).toEqual(new Set([false]));
    await install();
    expect(await sourcesOf()).toEqual(expect.arrayContaining(theirs));
    expect(await sourcesOf()).toHaveLength(13);
  });

  it('a function with other arguments stays the only one of its name, because calls would be ambiguous', async () => {
    await database.pool.query(
      `CREATE FUNCTION rule_webhook_delete(bigint, force boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$ SELECT 'its' $$`,
    );
    await migrate(database.pool, database);
    const { rows } = await database.pool.query('SELECT rule_webhook_delete(1) AS whose');
    expect(rows).toEqual([{ whose: 'its' }]);
  });

  it('a later migration of the extension may change and drop its columns', async () => {
    await install();
    await migrate(database.pool, database);
    await database.pool.query(`
      ALTER TABLE rule_webhooks ALTER COLUMN timeout_ms TYPE bigint, ALTER COLUMN url TYPE varchar(2048);
      ALTER TABLE rule_webhooks DROP COLUMN tags, ADD COLUMN owner text;
      ALTER TABLE rule_webhook_secrets ALTER COLUMN secret_value TYPE varchar(500)`);
    await database.pool.query(`
      INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test');
      UPDATE rule_webhooks SET url = 'https://slack.test/2', owner = 'me'`);
  });

  it('a role without special permissions uses the functions of the extension as before', async () => {
    await install();
    const app = await database.asStranger();
    await database.pool.query(`
      GRANT SELECT, INSERT, UPDATE (url, enabled, updated_at) ON rule_webhooks TO ${database.stranger};
      GRANT USAGE ON SEQUENCE rule_webhooks_webhook_id_seq TO ${database.stranger}`);
    await migrate(database.pool, database);
    const register = `SELECT rule_webhook_register('slack', 'https://slack.test') AS id`;
    const { id } = (await app.query(register)).rows[0];
    await app.query('SELECT rule_webhook_update($1, p_enabled => false)', [id]);
    const { rows } = await app.query(`SELECT webhook_name, enabled FROM rule_webhooks`);
    expect(rows).toEqual([{ webhook_name: 'slack', enabled: false }]);
  });

  it('the row of an operator for WEBHOOKS is kept', async () => {
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

  it('the average in a row of the reference worker stays right when this worker adds to the row', async () => {
    await install();
    await database.pool.query(
      `INSERT INTO rule_nats_consumer_stats (stream_name, consumer_name, messages_delivered, avg_processing_time_ms)
       VALUES ('WEBHOOKS', 'webhook-worker-1', 10, 40)`,
    );
    await migrate(database.pool, database);
    await storeFlush(database.pool, flushOf({ counters: { settled: 10, processingMs: 200 } }));
    const { rows } = await database.pool.query(
      'SELECT messages_delivered, avg_processing_time_ms FROM rule_nats_consumer_stats',
    );
    expect(rows).toEqual([{ messages_delivered: '20', avg_processing_time_ms: '30.00' }]);
  });

  it('a failure of a registered webhook is shown with its registered name', async () => {
    await install();
    await migrate(database.pool, database);
    await database.pool.query(`
      INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test');
      INSERT INTO rule_nats_publish_history (webhook_id, subject, payload, success) VALUES (1, 'webhooks.s', '{}', false)`);
    const { rows } = await database.pool.query('SELECT webhook_name FROM nats_delivery_failures');
    expect(rows).toEqual([{ webhook_name: 'slack' }]);
  });

  it('a role that does not own the tables gets an error with the SQL for the owner, and this SQL is enough', async () => {
    await install();
    const stranger = await database.asStranger();
    await database.pool.query(`GRANT CREATE ON SCHEMA public TO ${database.stranger}`);
    for (const needed of [
      'rule_nats_consumer_stats (column messages_retried)',
      'rule_nats_consumer_stats (column messages_parked)',
      'rule_webhooks (column paused)',
      'rule_nats_consumer_stats (column messages_dropped)',
      'rule_webhooks (column retry_schedule)',
      'rule_nats_publish_history (index nats_publish_history_outbox)',
      'rule_webhook_calls (SELECT)',
    ]) {
      const failure = await migrate(stranger, database).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(UserError);
      const { message } = failure as UserError;
      expect(message).toContain(needed);
      await database.pool.query(message.slice(message.indexOf('run:\n') + 5));
    }
    await migrate(stranger, database);
    await stranger.query('SELECT FROM rule_webhook_secrets');
    expect(await disableWebhook(stranger, 1, 'it answered 410')).toBe(false);
    expect((await storeFlush(stranger, flushOf({ deadLetters: [deadLetterOf()] }))).result).toBe('stored');
  });
});
