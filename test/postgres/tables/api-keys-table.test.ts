import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { allows } from '../../../src/core/access/scopes.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import {
  insertApiKey,
  listApiKeys,
  noteKeysUsed,
  readApiKeys,
  revokeApiKey,
} from '../../../src/postgres/tables/api-keys-table.ts';
import { until } from '../../support/wait.ts';
import { openDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
afterAll(() => database.close());
beforeEach(() => run('TRUNCATE rule_nats_api_keys'));

const run = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const HASH = createHash('sha256').update('a').digest();
const insert = (id = 'aaaaaaaa', more: Partial<Parameters<typeof insertApiKey>[1]> = {}) =>
  insertApiKey(database.pool, {
    id,
    name: 'shop',
    hash: HASH,
    scopes: ['publish:a'],
    expiresAt: null,
    ...more,
  });
const read = async () => (await readApiKeys(database.pool, null)).rows!;

describe('an API key', () => {
  it('is read as it was stored', async () => {
    await insert('aaaaaaaa', { expiresAt: Date.UTC(2030, 0, 1) });
    expect(await read()).toEqual([
      {
        id: 'aaaaaaaa',
        name: 'shop',
        hash: HASH,
        scopes: { publish: ['a'], rights: new Set() },
        expiresAt: Date.UTC(2030, 0, 1),
        revokedAt: null,
      },
    ]);
  });

  it.each([
    ['infinity', null],
    ['-infinity', 0],
    ['1969-01-01', Date.UTC(1969, 0, 1)],
  ])('that expires at %s is read with the expiry %s', async (expiry, expected) => {
    await insert();
    await run('UPDATE rule_nats_api_keys SET expires_at = $1', [expiry]);
    expect(await read()).toMatchObject([{ expiresAt: expected }]);
  });

  it.each(['infinity', '-infinity', '2099-01-01'])('with revoked_at = %s is revoked', async (time) => {
    await insert();
    await run('UPDATE rule_nats_api_keys SET revoked_at = $1', [time]);
    expect((await read())[0]!.revokedAt).not.toBeNull();
  });

  it('with a scope that does not exist allows nothing', async () => {
    await insert('aaaaaaaa', { scopes: ['publish', 'root'] });
    const [{ scopes }] = (await read()) as [Awaited<ReturnType<typeof read>>[number]];
    expect(allows(scopes, { publish: 'a' })).toBe(false);
  });

  it.each([
    [`INSERT INTO rule_nats_api_keys VALUES ('short', 'n', $1, '{}')`, 'key_id_is_8_characters'],
    [`INSERT INTO rule_nats_api_keys VALUES ('aaaaaaa-', 'n', $1, '{}')`, 'key_id_is_8_characters'],
    [`INSERT INTO rule_nats_api_keys VALUES ('aaaaaaaa', '', $1, '{}')`, 'key_name_is_not_empty'],
    [
      `INSERT INTO rule_nats_api_keys VALUES ('aaaaaaaa', 'n', substr($1::bytea, 2), '{}')`,
      'key_hash_is_sha256',
    ],
    [`INSERT INTO rule_nats_api_keys VALUES ('aaaaaaaa', 'n', $1, '{NULL}')`, 'scopes_are_not_null'],
  ])('is refused by %s', async (sql, constraint) => {
    await expect(run(sql, [HASH])).rejects.toMatchObject({ constraint });
  });

  it('keeps the time of its first revocation', async () => {
    await insert();
    expect(await revokeApiKey(database.pool, 'aaaaaaaa')).toBe(true);
    const [first] = await run('SELECT revoked_at FROM rule_nats_api_keys');
    expect(await revokeApiKey(database.pool, 'aaaaaaaa')).toBe(true);
    expect(await run('SELECT revoked_at FROM rule_nats_api_keys')).toEqual([first]);
    expect(await revokeApiKey(database.pool, 'bbbbbbbb')).toBe(false);
  });

  it('is listed with its latest use', async () => {
    await insert();
    await insert('bbbbbbbb', { name: 'other' });
    await noteKeysUsed(database.pool, new Map([['aaaaaaaa', 5000]]));
    await noteKeysUsed(
      database.pool,
      new Map([
        ['aaaaaaaa', 4000],
        ['cccccccc', 1],
      ]),
    );
    expect(await listApiKeys(database.pool)).toMatchObject([
      { id: 'aaaaaaaa', scopes: ['publish:a'], lastUsedAt: new Date(5000), createdBy: expect.any(String) },
      { id: 'bbbbbbbb', lastUsedAt: null },
    ]);
  });
});

describe('the version of the keys', () => {
  const versionAfter = async (sql: string) => {
    await run(sql);
    return (await readApiKeys(database.pool, null)).version;
  };

  it('is the same while no key changes, also when one is used, and then no row is read', async () => {
    await insert();
    const { version } = await readApiKeys(database.pool, null);
    await noteKeysUsed(database.pool, new Map([['aaaaaaaa', 5000]]));
    expect(await readApiKeys(database.pool, version)).toEqual({ version });
  });

  it.each([
    `UPDATE rule_nats_api_keys SET key_name = 'x'`,
    `UPDATE rule_nats_api_keys SET key_hash = sha256('b')`,
    `UPDATE rule_nats_api_keys SET scopes = '{publish:b}'`,
    `UPDATE rule_nats_api_keys SET expires_at = now()`,
    `UPDATE rule_nats_api_keys SET revoked_at = now()`,
    'DELETE FROM rule_nats_api_keys',
    `INSERT INTO rule_nats_api_keys SELECT 'bbbbbbbb', key_name, key_hash, scopes FROM rule_nats_api_keys`,
  ])('is another one after %s', async (sql) => {
    await insert();
    const { version } = await readApiKeys(database.pool, null);
    expect(await versionAfter(sql)).not.toBe(version);
  });

  it('is another one when a key expires never instead of being revoked', async () => {
    await insert();
    const expired = await versionAfter(`UPDATE rule_nats_api_keys SET expires_at = '2026-01-01'`);
    expect(
      await versionAfter(`UPDATE rule_nats_api_keys SET expires_at = NULL, revoked_at = '2026-01-01'`),
    ).not.toBe(expired);
  });
});

it('a change is notified, and the use of a key is not', async () => {
  const client = await database.pool.connect();
  const payloads: (string | undefined)[] = [];
  client.on('notification', ({ payload }) => payloads.push(payload));
  await client.query('LISTEN nats_webhook_worker_access');
  await insert();
  await noteKeysUsed(database.pool, new Map([['aaaaaaaa', 5000]]));
  await revokeApiKey(database.pool, 'aaaaaaaa');
  await run('DELETE FROM rule_nats_api_keys');
  await run(`NOTIFY nats_webhook_worker_access, 'end'`);
  await until(() => payloads.includes('end'));
  client.release(true);
  expect(payloads).toEqual(['rule_nats_api_keys', 'rule_nats_api_keys', 'rule_nats_api_keys', 'end']);
});
