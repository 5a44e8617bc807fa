import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PAYMENTS_SOURCE } from '../../../src/core/source/payments.ts';
import { sourceRowOf } from '../../../src/core/source/source-row.ts';
import { inTransaction } from '../../../src/postgres/connection/transaction.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import {
  deleteSource,
  readSources,
  type SourceChange,
  writeSource,
} from '../../../src/postgres/tables/sources-table.ts';
import { until } from '../../support/wait.ts';
import { openDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
afterAll(() => database.close());
beforeEach(() => run('TRUNCATE rule_nats_sources CASCADE'));

const run = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const read = async () => (await readSources(database.pool, null)).rows!;
const write = (name: string, change: Partial<SourceChange> = {}) =>
  inTransaction(database.pool, (client) =>
    writeSource(client, name, { fields: {}, newSecrets: [], dropSecrets: 'none', ...change }),
  );

describe('a source', () => {
  it('with only a name is read as one without checks', async () => {
    await run(`INSERT INTO rule_nats_sources (source_name) VALUES ('orders')`);
    expect(await read()).toEqual([sourceRowOf('orders', {}, [])]);
  });

  it('is written and read with all its fields', async () => {
    const fields = { ...PAYMENTS_SOURCE, tolerance_ms: 5000, key_required: true, signature_prefix: 'v=' };
    const written = await write('payments', { fields, newSecrets: ['s1'] });
    expect(written).toEqual(sourceRowOf('payments', fields, ['s1']));
    expect(await read()).toEqual([written]);
  });

  it.each([[true], [false], [{ type: 'object' }], [null]])('may have the schema %j', async (schema) => {
    expect((await write('a', { fields: { schema } })).schema).toEqual(schema);
  });

  it('keeps the fields that a change does not name, and loses those that are null', async () => {
    await write('a', { fields: { signature: 'hmac', event_type: 'body:type', event_id: 'body:id' } });
    expect(await write('a', { fields: { event_type: null } })).toMatchObject({
      signature: { kind: 'hmac' },
      eventType: null,
      eventId: 'body:id',
    });
  });

  it('has its newest secret first while secrets are rotated', async () => {
    const fields = { signature: 'hmac' };
    expect((await write('a', { fields, newSecrets: ['one'] })).secrets).toEqual(['one']);
    expect((await write('a', { newSecrets: ['two', 'two'] })).secrets).toEqual(['two', 'one']);
    expect((await write('a', { dropSecrets: 'older' })).secrets).toEqual(['two']);
    expect((await write('a', { newSecrets: ['three'], dropSecrets: 'all' })).secrets).toEqual(['three']);
    expect((await write('a', { newSecrets: ['four'], dropSecrets: 'older' })).secrets).toEqual(['four']);
    expect((await write('a', { dropSecrets: 'all' })).secrets).toEqual([]);
  });

  it('is deleted with its secrets', async () => {
    await write('a', { fields: { signature: 'hmac' }, newSecrets: ['s'] });
    expect(await deleteSource(database.pool, 'a')).toBe(true);
    expect(await deleteSource(database.pool, 'a')).toBe(false);
    expect(await run('SELECT FROM rule_nats_source_secrets')).toEqual([]);
  });

  it('takes only columns of its table', async () => {
    await expect(write('a', { fields: { 'created_at = now(), x': 1 } })).rejects.toThrow('has no column');
  });

  it.each([
    [`source_name) VALUES ('a.b')`, 'source_name_is_one_token'],
    [`source_name) VALUES ('')`, 'source_name_is_one_token'],
    [`source_name, signature) VALUES ('a', 'md5')`, 'signature_is_a_scheme'],
    [`source_name, tolerance_ms) VALUES ('a', 999)`, 'tolerance_ms_is_up_to_a_day'],
    [`source_name, schema) VALUES ('a', '"text"')`, 'schema_is_an_object_or_a_boolean'],
    [`source_name, schema) VALUES ('a', 'null')`, 'schema_is_an_object_or_a_boolean'],
    [`source_name, idempotency_key) VALUES ('a', 'event_id')`, 'idempotency_key_is_a_declaration'],
    [`source_name, event_type) VALUES ('a', 'body:')`, 'event_type_is_a_declaration'],
    [`source_name, event_id) VALUES ('a', 'x:y')`, 'event_id_is_a_declaration'],
  ])('is refused by PostgreSQL: (%s', async (rest, constraint) => {
    await expect(run(`INSERT INTO rule_nats_sources (${rest}`)).rejects.toMatchObject({ constraint });
  });
});

describe('the version of the sources', () => {
  it('is the same while nothing changes, and then no row is read', async () => {
    await write('a', { fields: { signature: 'hmac' }, newSecrets: ['s'] });
    const { version } = await readSources(database.pool, null);
    expect(await readSources(database.pool, version)).toEqual({ version });
  });

  it.each([
    `UPDATE rule_nats_sources SET signature = 'github'`,
    `UPDATE rule_nats_sources SET schema = '{}'`,
    `UPDATE rule_nats_source_secrets SET secret_value = 't'`,
    `INSERT INTO rule_nats_source_secrets (source_name, secret_value) VALUES ('a', 't')`,
    'DELETE FROM rule_nats_source_secrets',
    'DELETE FROM rule_nats_sources',
  ])('is another one after %s', async (sql) => {
    await write('a', { fields: { signature: 'hmac' }, newSecrets: ['s'] });
    const { version } = await readSources(database.pool, null);
    await run(sql);
    expect((await readSources(database.pool, version)).rows).toBeDefined();
  });
});

it('a role that may not read the secrets reads no sources, because none would be verified', async () => {
  await write('a', { fields: { signature: 'hmac' }, newSecrets: ['s'] });
  const stranger = await database.asStranger();
  await run(`GRANT SELECT ON rule_nats_sources TO ${database.stranger}`);
  await expect(readSources(stranger, null)).rejects.toMatchObject({ code: '42501' });
  await run(`GRANT SELECT ON rule_nats_source_secrets TO ${database.stranger}`);
  expect((await readSources(stranger, null)).rows).toMatchObject([{ secrets: ['s'] }]);
});

it('each change of a source or a secret is notified', async () => {
  const client = await database.pool.connect();
  const payloads: (string | undefined)[] = [];
  client.on('notification', ({ payload }) => payloads.push(payload));
  await client.query('LISTEN nats_webhook_worker_access');
  await run(`INSERT INTO rule_nats_sources (source_name) VALUES ('a')`);
  await run(`INSERT INTO rule_nats_source_secrets (source_name, secret_value) VALUES ('a', 's')`);
  await run(`UPDATE rule_nats_source_secrets SET secret_value = 't'`);
  await run(`UPDATE rule_nats_sources SET signature = 'hmac'`);
  await run('DELETE FROM rule_nats_sources');
  await run(`NOTIFY nats_webhook_worker_access, 'end'`);
  await until(() => payloads.includes('end'));
  client.release(true);
  expect(payloads.slice(0, -1).map((table) => table!.replace('rule_nats_', ''))).toEqual([
    'sources',
    'source_secrets',
    'source_secrets',
    'sources',
    expect.stringMatching(/^source/),
    expect.stringMatching(/^source/),
  ]);
});
