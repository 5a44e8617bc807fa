import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { pino } from 'pino';
import { createPool } from '../../src/postgres/connection/pool.ts';
import { createTestDatabase } from '../support/servers.ts';

const log = pino({ level: 'silent' });

/** Opens a new, empty database, with a pool of its owner. */
export async function openDatabase() {
  const { url, drop } = await createTestDatabase();
  const pool = createPool({ url, size: 10, log });
  const stranger = `stranger_${randomUUID().replaceAll('-', '')}`;
  const strangers: pg.Pool[] = [];
  return {
    url,
    pool,
    log,
    /** The name of a role that owns nothing and has no permissions. */
    stranger,
    /** Creates this role, and opens a pool of the role on the same database. */
    async asStranger(): Promise<pg.Pool> {
      await pool.query(`CREATE ROLE ${stranger}; REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
      const options = encodeURIComponent(`-c role=${stranger}`);
      const strangerPool = createPool({
        url: `${url}${url.includes('?') ? '&' : '?'}options=${options}`,
        size: 4,
        log,
      });
      strangers.push(strangerPool);
      return strangerPool;
    },
    async close(): Promise<void> {
      await Promise.all(strangers.map((each) => each.end()));
      if (strangers.length > 0) await pool.query(`DROP OWNED BY ${stranger} CASCADE; DROP ROLE ${stranger}`);
      await pool.end();
      await drop();
    },
  };
}

export type TestDatabase = Awaited<ReturnType<typeof openDatabase>>;
