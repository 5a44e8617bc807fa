import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { type BackoffOptions, backoff } from '../core/retry/backoff.ts';
import { errorCode, errorMessage, UserError } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { PACKAGE_ROOT } from '../runtime/package-root.ts';
import { WAIT_FOR_MIGRATION_LOCK } from './connection/advisory-lock.ts';
import { inTransaction } from './connection/transaction.ts';
import { readApplied, readAppliedToChange, recordApplied } from './tables/migrations-table.ts';

const FOLDER = join(PACKAGE_ROOT, 'sql', 'migrations');

/** How long a worker waits for the migration of another worker, and for its own, in milliseconds. */
const TIMEOUT_MS = 600_000;

/**
 * How long a migration waits for a lock on a table, in milliseconds. While it waits, every other query on the table waits behind
 * it. Above: the migration is rolled back, and tried again after a pause. Too low: it never gets the lock on a busy table. The
 * files from 0017 on set the same time, for who applies them by hand.
 */
const LOCK_TIMEOUT_MS = 5000;
/** The pauses let the queries through that waited behind the migration. */
const PAUSES: BackoffOptions = { initialMs: 500, maxMs: 10_000, jitter: 0.25 };
/** lock_not_available, deadlock_detected: another transaction uses the table. */
const IN_THE_WAY = new Set(['55P03', '40P01']);

const BUSY =
  'Another transaction uses a table that the migration changes. The migration tries again. End long transactions, if there are any.';

export type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

/**
 * Applies the missing migrations of sql/migrations, in order, one transaction each. Any number of workers may call this at the
 * same time: one of them does the work. Migrations of the database without a file here belong to another version, and are left
 * alone.
 *
 * @returns The names of the migrations that this call applied.
 * @throws UserError if the file of an applied migration has changed, or if the role lacks a right.
 */
export async function migrate(pool: pg.Pool, { log }: { log: Logger }): Promise<{ applied: string[] }> {
  const migrations = await readMigrations();
  const before = await readApplied(pool);
  const applied: string[] = [];
  for (const migration of migrations) {
    if (!isApplied(before, migration) && (await applyPatiently(pool, migration, log))) {
      log.info({ migration: migration.name }, 'migration.applied');
      applied.push(migration.name);
    }
  }
  return { applied };
}

/** The files of sql/migrations, in the order in which they are applied. */
export async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      // Git may have given the file the line endings of the platform.
      const sql = (await readFile(join(FOLDER, name), 'utf8')).replaceAll('\r\n', '\n');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

function isApplied(applied: ReadonlyMap<string, string>, { name, checksum }: Migration): boolean {
  const known = applied.get(name);
  if (known !== undefined && known !== checksum) {
    throw new UserError(
      `Migration ${name} was applied to this database with other contents (checksum ${known.slice(0, 12)}, the file has ` +
        `${checksum.slice(0, 12)}). Restore the released file, and put changes into a new migration.`,
    );
  }
  return known !== undefined;
}

/**
 * Tries again while another transaction uses a table that the migration changes, for as long as one migration may take. False if
 * another worker has applied the migration in the meantime.
 */
async function applyPatiently(pool: pg.Pool, migration: Migration, log: Logger): Promise<boolean> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (let tries = 1; ; tries++) {
    try {
      return await apply(pool, migration);
    } catch (error) {
      const code = errorCode(error);
      if (!IN_THE_WAY.has(code ?? '') || performance.now() > deadline) throw error;
      if (tries === 1) {
        const about = { migration: migration.name, code, error: errorMessage(error), hint: BUSY };
        log.warn(about, 'migration.waiting');
      }
      await pause(backoff(PAUSES, tries, Math.random()));
    }
  }
}

/** False if another worker has applied the migration in the meantime. */
async function apply(pool: pg.Pool, migration: Migration): Promise<boolean> {
  try {
    return await inTransaction(
      pool,
      async (client) => {
        await client.query(patiently(WAIT_FOR_MIGRATION_LOCK));
        // Not before: it would end the wait for another worker's migration, too.
        await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
        if (isApplied(await readAppliedToChange(client), migration)) return false;
        await client.query(patiently(migration.sql));
        await recordApplied(client, migration.name, migration.checksum);
        return true;
      },
      TIMEOUT_MS,
    );
  } catch (error) {
    throw withCure(error, migration);
  }
}

/** A query that may take longer than the pool allows: `query_timeout` is missing from the types of `pg`. */
function patiently(text: string): pg.QueryConfig {
  const query: pg.QueryConfig & { query_timeout: number } = { text, query_timeout: TIMEOUT_MS };
  return query;
}

function withCure(error: unknown, migration: Migration): unknown {
  const problem = `Migration ${migration.name} cannot be applied: ${errorMessage(error)}.`;
  switch (errorCode(error)) {
    case '42501': {
      const { hint } = error as pg.DatabaseError;
      const cure = hint
        ? `Let the owner of these tables run:\n${hint}`
        : 'Let the owner of the schema run: GRANT USAGE, CREATE ON SCHEMA <schema> TO <role>; or migrate as the owner.';
      return new UserError(`${problem} ${cure}`, { cause: error });
    }
    case '3F000':
      return new UserError(
        `${problem} Create the schema in the search_path of the role, or ALTER ROLE … SET search_path.`,
        { cause: error },
      );
    default:
      return error;
  }
}
