import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { assembleAccess } from '../../src/api/assemble/access.ts';
import type { StoredKey } from '../../src/core/access/api-key.ts';
import { composeApiKey, partsOfApiKey, RANDOM_BYTES } from '../../src/core/access/api-key.ts';
import { parseConfiguredKey } from '../../src/core/access/configured-key.ts';
import { createPool } from '../../src/postgres/connection/pool.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { insertApiKey, listApiKeys, revokeApiKey } from '../../src/postgres/tables/api-keys-table.ts';
import { ServiceGroup } from '../../src/runtime/service.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { createTestDatabase, startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';

const log = pino({ level: 'silent' });

async function openTables(url: string): Promise<pg.Pool> {
  const pool = createPool({ url, size: 4, log });
  await migrate(pool, { log });
  cleanUpAfter(() => pool.end());
  return pool;
}

/** Stores a new key. @returns The key itself. */
async function createKey(pool: pg.Pool): Promise<string> {
  const key = composeApiKey(randomBytes(RANDOM_BYTES));
  await insertApiKey(pool, { ...partsOfApiKey(key)!, name: 'shop', scopes: ['publish'], expiresAt: null });
  return key;
}

/** Starts what the API follows. */
async function startAccess(pool: pg.Pool, url: string, configured: string[] = []) {
  const settings = {
    API_AUTH: 'keys' as const,
    API_KEYS: configured.map((text) => parseConfiguredKey(text) as StoredKey),
    ALLOWED_HOSTS: [],
    PUBLIC_URL: undefined,
    DATABASE_URL: url,
    SOURCES_DIR: undefined,
  };
  const { keys, sources, services } = assembleAccess({ settings, pool, log });
  const group = new ServiceGroup('access', services);
  cleanUpAfter(() => group.stop());
  await group.start();
  return { keys, sources, stop: () => group.stop() };
}

const now = () => Date.now();

describe('the API', () => {
  it('learns of new and revoked keys, and stores when a key was used', async () => {
    const { url } = await createTestDatabase();
    const pool = await openTables(url);
    const { keys, stop } = await startAccess(pool, url);
    expect(keys.verify('whk_', now())).toMatchObject({
      refused: 401,
      sentence: expect.stringContaining('keys create'),
    });
    const key = await createKey(pool);
    await keys.refreshed();
    expect(keys.verify(key, now())).toMatchObject({ key: { name: 'shop' } });
    await revokeApiKey(pool, partsOfApiKey(key)!.id);
    await until(() => 'refused' in keys.verify(key, now()));
    expect(keys.verify(key, now())).toMatchObject({
      refused: 401,
      sentence: expect.stringContaining('revoked'),
    });
    await stop();
    expect((await listApiKeys(pool))[0]!.lastUsedAt).not.toBeNull();
  });

  it('follows sources and their secrets', async () => {
    const { url } = await createTestDatabase();
    const pool = await openTables(url);
    const { sources } = await startAccess(pool, url);
    expect(sources.find('github')).toBeNull();
    await pool.query(`INSERT INTO rule_nats_sources (source_name, signature) VALUES ('github', 'github')`);
    await until(() => sources.find('github')?.isSigned === false);
    await pool.query(
      `INSERT INTO rule_nats_source_secrets (source_name, secret_value) VALUES ('github', 's')`,
    );
    await until(() => sources.find('github')?.isSigned);
    await pool.query(`UPDATE rule_nats_sources SET schema = '{"type":"strin"}'`);
    await until(() => sources.find('github')?.problem);
    await pool.query('DELETE FROM rule_nats_sources');
    await until(() => sources.find('github') === null);
  });

  it('keeps keys and sources while PostgreSQL is away, and learns of a revoked key when it is back', async () => {
    const server = await startPrivatePostgres();
    const pool = await openTables(server.url);
    const key = await createKey(pool);
    await pool.query(`INSERT INTO rule_nats_sources (source_name) VALUES ('orders')`);
    const { keys, sources } = await startAccess(pool, server.url);
    await server.kill();
    await until(() => keys.problem !== null && sources.problem !== null);
    expect(keys.verify(key, now())).toHaveProperty('key');
    expect(sources.find('orders')).not.toBeNull();
    await server.restart();
    await until(() => keys.problem === null);
    await revokeApiKey(pool, partsOfApiKey(key)!.id);
    await until(() => 'refused' in keys.verify(key, now()));
  });

  it('accepts the keys of API_KEYS without PostgreSQL, and cannot tell of others', async () => {
    const url = 'postgresql://127.0.0.1:1/none';
    const pool = createPool({ url, size: 1, log });
    cleanUpAfter(() => pool.end());
    const [mine, other] = [1, 2].map(() => composeApiKey(randomBytes(RANDOM_BYTES))) as [string, string];
    const { keys, sources } = await startAccess(pool, url, [mine]);
    expect(keys.verify(mine, now())).toHaveProperty('key');
    expect(keys.verify(other, now())).toMatchObject({ refused: 503 });
    expect(sources.isRead).toBe(false);
  });
});
