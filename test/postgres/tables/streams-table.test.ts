import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../../src/postgres/migrate.ts';
import { readStreamRow } from '../../../src/postgres/tables/streams-table.ts';
import { openDatabase, type TestDatabase } from '../database.ts';

describe('readStreamRow', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterEach(() => database.close());

  it('reads the row that a migration inserts for WEBHOOKS', async () => {
    expect(await readStreamRow(database.pool, 'WEBHOOKS')).toEqual({
      streamName: 'WEBHOOKS',
      subjects: ['webhooks.*'],
      description: 'Webhooks that wait for delivery by nats-webhook-worker',
      storageType: 'file',
      maxMessages: -1,
      maxBytes: -1,
      maxAgeSeconds: 0,
      retentionPolicy: 'workqueue',
      discardPolicy: 'new',
      replicas: 1,
      duplicateWindowSeconds: 120,
    });
  });

  it('reads limits that are too large for NATS as no limits, and skips subjects that are NULL', async () => {
    await database.pool.query(`
      UPDATE rule_nats_streams SET subjects = '{NULL,webhooks.*}', max_messages = 9223372036854775807,
        max_bytes = 9223372036854775807, max_age_seconds = 9223372036854775807`);
    expect(await readStreamRow(database.pool, 'WEBHOOKS')).toMatchObject({
      subjects: ['webhooks.*'],
      maxMessages: -1,
      maxBytes: -1,
      maxAgeSeconds: 0,
    });
  });

  it('returns null for a stream without a row', async () => {
    expect(await readStreamRow(database.pool, 'OTHER')).toBeNull();
  });

  it('ignores a disabled row', async () => {
    await database.pool.query('UPDATE rule_nats_streams SET enabled = false');
    expect(await readStreamRow(database.pool, 'WEBHOOKS')).toBeNull();
  });

  it('prefers the row of the default configuration', async () => {
    await database.pool.query(`
      INSERT INTO rule_nats_config (config_name) VALUES ('alternative');
      INSERT INTO rule_nats_streams (config_id, stream_name, subjects)
        SELECT config_id, 'ORDERS', '{alternative}' FROM rule_nats_config WHERE config_name = 'alternative';
      INSERT INTO rule_nats_streams (config_id, stream_name, subjects)
        SELECT config_id, 'ORDERS', '{default}' FROM rule_nats_config WHERE config_name = 'default'`);
    expect(await readStreamRow(database.pool, 'ORDERS')).toMatchObject({ subjects: ['default'] });
  });
});
