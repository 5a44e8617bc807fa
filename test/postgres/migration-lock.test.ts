import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { until } from '../support/wait.ts';
import { openDatabase, type TestDatabase } from './database.ts';

describe('a migration of a table that another transaction holds', () => {
  let database: TestDatabase;
  let other: pg.Client;
  beforeEach(async () => {
    database = await openDatabase();
    // The first migration makes indexes on this table, which the extension may have made.
    for (const name of ['005-webhooks', '007-nats']) {
      const file = new URL(`fixtures/extension-${name}.sql`, import.meta.url);
      await database.pool.query(await readFile(file, 'utf8'));
    }
    other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query('BEGIN; LOCK TABLE rule_nats_publish_history IN ROW EXCLUSIVE MODE');
  });
  afterEach(async () => {
    await other.end();
    await database.close();
  });

  it('waits, says so once, and is applied when the table is free', async () => {
    const said: unknown[] = [];
    const log = {
      info: (_about: unknown, event: string) => said.push(event),
      warn: (about: { code: string }, event: string) => said.push(event, about.code),
    } as unknown as Logger;
    const migrating = migrate(database.pool, { log });
    await until(() => said.length > 0);
    expect(said).toEqual(['migration.waiting', '55P03']);
    await other.query('ROLLBACK');
    expect((await migrating).applied[0]).toBe('0001_shared_tables_create.sql');
    expect(said.filter((word) => word === 'migration.waiting')).toHaveLength(1);
  });

  it('is applied once by workers that all wait', async () => {
    const all = [1, 2, 3].map(() => migrate(database.pool, database));
    await until(async () => {
      const { rows } = await database.pool.query(`SELECT count(*) FROM pg_locks WHERE NOT granted`);
      return Number(rows[0].count) > 0;
    });
    await other.query('ROLLBACK');
    const applied = (await Promise.all(all)).flatMap((one) => one.applied);
    expect(applied.filter((name) => name.startsWith('0001'))).toHaveLength(1);
  });
});
