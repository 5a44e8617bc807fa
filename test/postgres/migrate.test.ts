import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate, readMigrations } from '../../src/postgres/migrate.ts';
import { migrationScript } from '../../src/postgres/tables/migrations-table.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { describeSchema } from './schema.ts';

describe('migrate', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openDatabase();
  });
  afterEach(() => database.close());

  it('creates all tables and views in an empty database', async () => {
    const { applied } = await migrate(database.pool, database);
    expect(applied[0]).toBe('0001_shared_tables_create.sql');
    await database.pool.query('SELECT * FROM nats_deliveries, nats_error_patterns, nats_recent_failures');
  });

  it('applies nothing when it runs again', async () => {
    await migrate(database.pool, database);
    expect(await migrate(database.pool, database)).toEqual({ applied: [] });
  });

  it('applies each migration once, even if eight workers start at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => migrate(database.pool, database)));
    const applied = all.flatMap((one) => one.applied);
    expect(applied.length).toBeGreaterThan(0);
    expect(new Set(applied).size).toBe(applied.length);
  });

  it('has nothing to do after its script, which makes the same schema', async () => {
    const script = migrationScript(await readMigrations());
    const [forPsql, ...sql] = script.split('\n');
    expect(forPsql).toBe('\\set ON_ERROR_STOP on');
    await database.pool.query(sql.join('\n'));
    expect(await migrate(database.pool, database)).toEqual({ applied: [] });
    await expect(await describeSchema(database.pool)).toMatchFileSnapshot('../../sql/schema.sql');
  });

  it('has a script that changes nothing where a migration was applied before', async () => {
    await migrate(database.pool, database);
    const [, ...sql] = migrationScript(await readMigrations()).split('\n');
    await expect(database.pool.query(sql.join('\n'))).rejects.toMatchObject({ code: '23505' });
    expect(await migrate(database.pool, database)).toEqual({ applied: [] });
  });

  it('inserts a row for WEBHOOKS with which no waiting message is lost', async () => {
    await migrate(database.pool, database);
    const { rows } = await database.pool.query(`
      SELECT subjects, storage_type, retention_policy, discard_policy, max_messages, max_bytes, max_age_seconds,
        duplicate_window_seconds
      FROM rule_nats_streams WHERE stream_name = 'WEBHOOKS'`);
    expect(rows).toEqual([
      {
        subjects: ['webhooks.*'],
        storage_type: 'file',
        retention_policy: 'workqueue',
        discard_policy: 'new',
        max_messages: '-1',
        max_bytes: '-1',
        max_age_seconds: '0',
        duplicate_window_seconds: 120,
      },
    ]);
  });

  it('fails if an applied migration has changed, and names the migration', async () => {
    await migrate(database.pool, database);
    await database.pool.query(
      `UPDATE rule_nats_worker_migrations SET checksum = 'other' WHERE name LIKE '0002%'`,
    );
    const failure = migrate(database.pool, database);
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow('0002_worker_instances_create.sql');
  });

  it('ignores migrations of a newer version', async () => {
    await migrate(database.pool, database);
    await database.pool.query(
      `INSERT INTO rule_nats_worker_migrations VALUES ('9999_future_thing.sql', 'abc')`,
    );
    expect(await migrate(database.pool, database)).toEqual({ applied: [] });
  });

  it('names the missing grant if the role may not create tables', async () => {
    const stranger = await database.asStranger();
    const failure = migrate(stranger, database);
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow(/GRANT USAGE, CREATE ON SCHEMA/);
  });
});
