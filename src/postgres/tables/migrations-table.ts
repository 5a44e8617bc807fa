import type pg from 'pg';
import { WAIT_FOR_MIGRATION_LOCK } from '../connection/advisory-lock.ts';

/** Not named `schema_migrations`: the extension has a table of that name. */
const CREATE = `
  CREATE TABLE IF NOT EXISTS rule_nats_worker_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  );
  COMMENT ON TABLE rule_nats_worker_migrations IS
    'The files of sql/migrations that were applied here. Written by whoever migrates; never deleted.'`;

/** Checksums of the applied migrations by name; empty if no migration was ever applied. */
export async function readApplied(pool: pg.Pool): Promise<ReadonlyMap<string, string>> {
  const { rows } = await pool.query(
    `SELECT to_regclass('rule_nats_worker_migrations') IS NOT NULL AS present`,
  );
  return rows[0].present ? read(pool) : new Map();
}

/** The same within a transaction; creates the table if it is missing. */
export async function readAppliedToChange(client: pg.PoolClient): Promise<ReadonlyMap<string, string>> {
  // No check whether the table exists: after the wait for the lock, PostgreSQL may still remember that it did not.
  await client.query(CREATE);
  return read(client);
}

async function read(db: pg.Pool | pg.PoolClient): Promise<ReadonlyMap<string, string>> {
  const { rows } = await db.query('SELECT name, checksum FROM rule_nats_worker_migrations');
  return new Map(rows.map((row) => [row.name, row.checksum]));
}

export async function recordApplied(client: pg.PoolClient, name: string, checksum: string): Promise<void> {
  await client.query('INSERT INTO rule_nats_worker_migrations (name, checksum) VALUES ($1, $2)', [
    name,
    checksum,
  ]);
}

/**
 * A script for psql that does what `migrate` does, on a database without our tables. It stops at the first error: at a migration that
 * was applied before, or where a right is missing.
 */
export function migrationScript(
  migrations: readonly { readonly name: string; readonly sql: string; readonly checksum: string }[],
): string {
  const parts = migrations.map(
    ({ name, sql, checksum }) => `-- ${name}
BEGIN;
${WAIT_FOR_MIGRATION_LOCK};
INSERT INTO rule_nats_worker_migrations (name, checksum) VALUES ('${name}', '${checksum}');
${sql.trim()}
COMMIT;
`,
  );
  return ['\\set ON_ERROR_STOP on', `${CREATE.trim()};`, ...parts].join('\n\n');
}
