import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  changeOf,
  type ListenOptions,
  listenForChanges,
  type NotifiedChange,
} from '../../../src/postgres/connection/listen.ts';
import { createPool } from '../../../src/postgres/connection/pool.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { noteFailing } from '../../../src/postgres/tables/webhooks-table.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { startLink } from '../../nats/connection/link.ts';
import { runCommand } from '../../support/program.ts';
import { createTestDatabase, startPrivatePostgres } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { openDatabase, type TestDatabase } from '../database.ts';

const SILENT = pino({ level: 'silent' });

/** Listens, and counts the changes. */
function listenTo(url: string, options: Partial<ListenOptions> = {}) {
  const listener = { changes: 0, last: undefined as NotifiedChange | undefined, stop: () => {} };
  const { stop } = listenForChanges({
    url,
    log: SILENT,
    ...options,
    changed(change) {
      listener.changes++;
      listener.last = change;
    },
  });
  listener.stop = stop;
  return listener;
}

describe('a listener', () => {
  let database: TestDatabase;
  let listener: ReturnType<typeof listenTo>;
  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await run(`TRUNCATE rule_webhooks, rule_nats_endpoints RESTART IDENTITY CASCADE;
      INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test');
      INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value) VALUES (1, 'signing_secret', 'a');
      INSERT INTO rule_nats_endpoints (endpoint_key) VALUES ('a')`);
    listener = listenTo(database.url);
    await until(() => listener.changes === 1);
  });
  afterEach(() => listener.stop());
  const run = (sql: string) => database.pool.query(sql);

  it.each([
    [`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('new', 'https://new.test')`],
    [`UPDATE rule_webhooks SET url = 'https://slack.test/2'`],
    ['UPDATE rule_webhooks SET paused = true'],
    ['SELECT rule_webhook_update(1, p_enabled => false)'],
    ['DELETE FROM rule_webhooks'],
    ['TRUNCATE rule_webhooks CASCADE'],
    [
      `INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value) VALUES (1, 'signing_secret_2', 'b')`,
    ],
    [`SELECT rule_webhook_secret_set(1, 'signing_secret', 'bb')`],
    ['DELETE FROM rule_webhook_secrets'],
    ['TRUNCATE rule_webhook_secrets'],
    [`INSERT INTO rule_nats_endpoints (endpoint_key, paused) VALUES ('b', true)`],
    ['UPDATE rule_nats_endpoints SET paused = true'],
    ['DELETE FROM rule_nats_endpoints'],
    ['TRUNCATE rule_nats_endpoints'],
  ])('is notified of %s', async (sql) => {
    await run(sql);
    await until(() => listener.changes === 2);
  });

  /** The payloads of the notifications that `work` causes. The server notifies in commit order, so a marker comes after all of them. */
  const notificationsOf = async (work: () => Promise<unknown>) => {
    const client = await database.pool.connect();
    const channels: string[] = [];
    const payloads: (string | undefined)[] = [];
    client.on('notification', ({ channel, payload }) => {
      channels.push(channel);
      payloads.push(payload);
    });
    try {
      await client.query('LISTEN nats_webhook_worker_endpoints; LISTEN marker');
      await work();
      await run('NOTIFY marker');
      await until(() => channels.includes('marker'));
    } finally {
      client.release(true);
    }
    return payloads.slice(0, -1);
  };

  it.each([
    ['an update that changes nothing', () => run('UPDATE rule_webhooks SET url = url, updated_at = now()')],
    ['a column that only workers write', () => noteFailing(database.pool, 1, Date.UTC(2026, 0, 1))],
    ['an operator row that stays the same', () => run('UPDATE rule_nats_endpoints SET paused = false')],
    ['a secret that stays the same', () => run(`UPDATE rule_webhook_secrets SET secret_value = 'a'`)],
  ])('is not notified of %s', async (_, work) => {
    expect(await notificationsOf(work)).toEqual([]);
  });

  it.each([
    ['webhook 1', `UPDATE rule_webhooks SET url = 'https://slack.test/2'`],
    [
      'webhook 1',
      `UPDATE rule_webhooks SET url = 'https://slack.test/2'; UPDATE rule_webhooks SET paused = true`,
    ],
    ['webhook 1', `UPDATE rule_webhook_secrets SET secret_value = 'b'`],
    ['webhook 1', 'DELETE FROM rule_webhook_secrets'],
    ['webhook 1', 'DELETE FROM rule_webhooks'],
    ['webhook 1, webhook 7', 'UPDATE rule_webhooks SET webhook_id = 7'],
    [
      'webhook 9',
      `INSERT INTO rule_webhooks (webhook_id, webhook_name, url) VALUES (9, 'n', 'https://n.test')`,
    ],
    ['webhooks', 'TRUNCATE rule_webhooks CASCADE'],
    ['limits', 'UPDATE rule_nats_endpoints SET paused = true'],
    ['limits', 'DELETE FROM rule_nats_endpoints'],
    ['', `BEGIN; SAVEPOINT one; UPDATE rule_webhooks SET paused = true; ROLLBACK TO one; COMMIT`],
  ])('is told %s of %s', async (payloads, sql) => {
    await run(
      'ALTER TABLE rule_webhook_secrets DROP CONSTRAINT rule_webhook_secrets_webhook_id_fkey, ' +
        'ADD CONSTRAINT rule_webhook_secrets_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES rule_webhooks ON DELETE CASCADE ON UPDATE CASCADE',
    );
    expect((await notificationsOf(() => run(sql))).join(', ')).toBe(payloads);
  });

  it('is told of at most 100 rows one by one in a transaction, however many it changes in however many statements', async () => {
    const hundreds = `INSERT INTO rule_webhooks (webhook_name, url)
      SELECT 'hook-' || n, 'https://host.test' FROM generate_series(1, 1000) n;
      UPDATE rule_webhooks SET paused = true; DELETE FROM rule_webhooks`;
    const payloads = await notificationsOf(() => run(hundreds));
    expect(payloads).toHaveLength(101);
    expect(payloads.at(-1)).toBe('webhooks');
    // The next transaction of the same connection counts from 0.
    const client = await database.pool.connect();
    try {
      const again = await notificationsOf(async () => {
        await client.query(hundreds);
        await client.query(
          `INSERT INTO rule_webhooks (webhook_id, webhook_name, url) VALUES (9, 'n', 'https://n.test')`,
        );
      });
      expect(again.slice(-2)).toEqual(['webhooks', 'webhook 9']);
    } finally {
      client.release();
    }
  });

  it('tells which rows changed, once for all notifications of a moment', async () => {
    const before = listener.changes;
    await run(`BEGIN; NOTIFY nats_webhook_worker_endpoints, 'webhook 3'; COMMIT;
      BEGIN; NOTIFY nats_webhook_worker_endpoints, 'webhook 5'; NOTIFY nats_webhook_worker_endpoints, 'limits'; COMMIT`);
    await until(() => listener.changes > before);
    expect(listener.last).toEqual({ ids: new Set([3, 5]), limits: true });
  });

  it('counts several notifications as one change', async () => {
    const before = listener.changes;
    // 20 transactions in one query. Separate queries might come too late to count as one change.
    await run('BEGIN; NOTIFY nats_webhook_worker_endpoints; COMMIT;'.repeat(20));
    await until(() => listener.changes > before);
    expect(listener.changes).toBeLessThan(20);
  });

  it('listens again when its connection is cut, and counts this as a change, because it may have missed one', async () => {
    const before = listener.changes;
    await run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'LISTEN nats_webhook_worker_endpoints%'`);
    await until(() => listener.changes === before + 1);
    await run('UPDATE rule_webhooks SET paused = true');
    await until(() => listener.changes === before + 2);
  });

  it('gets no notifications after it is stopped, and its connection is closed', async () => {
    listener.stop();
    listener.stop();
    const before = listener.changes;
    await until(async () => {
      const { rows } = await run(`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND query = 'LISTEN nats_webhook_worker_endpoints'`);
      return rows.length === 0;
    });
    await run('UPDATE rule_webhooks SET paused = true');
    expect(listener.changes).toBe(before);
  });

  it('does not keep a process alive', async () => {
    const program = fileURLToPath(new URL('../programs/listen-and-end.mjs', import.meta.url));
    const listening = await runCommand(process.execPath, [program, database.url]);
    await listening.waitForLine('listens');
    expect(await listening.waitForExit()).toMatchObject({ code: 0 });
  });

  it('may be stopped before it has connected', () => {
    listenTo(database.url).stop();
    listenTo('postgresql://user:secret@192.0.2.1/x').stop();
  });

  it('refuses a URL that cannot be used', () => {
    expect(() => listenTo('mysql://localhost/x')).toThrow(UserError);
  });
});

describe('a listener without PostgreSQL', () => {
  it('waits for PostgreSQL, at the start and later, and logs each outage and each recovery once, without the password', async () => {
    const postgres = await startPrivatePostgres();
    const { url } = postgres;
    await postgres.stop();
    const lines: string[] = [];
    const log = pino({}, { write: (line) => lines.push(line) });
    const listener = listenTo(url, { log });
    await until(() => lines.length === 1);
    await postgres.restart();
    await until(() => listener.changes === 1);
    const pool = createPool({ url, size: 1, log: SILENT });
    await migrate(pool, { log: SILENT });
    await pool.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test')`);
    await until(() => listener.changes === 2);

    await postgres.kill();
    await until(() => lines.length === 3);
    await postgres.restart();
    await until(() => listener.changes === 3);
    await pool.query('UPDATE rule_webhooks SET paused = true');
    await until(() => listener.changes === 4);
    listener.stop();
    await pool.end();
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'postgres.listen_failed',
      'postgres.listen_recovered',
      'postgres.listen_failed',
      'postgres.listen_recovered',
    ]);
    expect(lines.join()).not.toContain(`:${new URL(url).password}@`);
  });

  it('counts a server that answers nothing as away, and connects to it again', async () => {
    const { url } = await createTestDatabase();
    const link = await startLink(Number(new URL(url).port));
    const linkUrl = new URL(url);
    linkUrl.host = new URL(link.url).host;
    const lines: string[] = [];
    const log = pino({}, { write: (line) => lines.push(line) });
    const listener = listenTo(linkUrl.href, { log, checkEveryMs: 20, answerWithinMs: 200 });
    const isAway = () => lines.at(-1)?.includes('the server does not answer');
    await until(() => listener.changes > 0);
    link.swallow();
    // On a busy machine the server may have been silent for so long before.
    await until(isAway);
    const before = listener.changes;
    link.cut();
    await until(() => listener.changes > before && !isAway());
    listener.stop();
  });
});

describe('a notification', () => {
  it.each([
    ['webhook 17', new Set([17]), false],
    ['webhook -1', new Set([-1]), false],
    ['webhooks', 'all', false],
    ['limits', new Set(), true],
    ['', 'all', true],
    ['webhook x', 'all', true],
    ['a later version', 'all', true],
  ])('with the payload %j means rows %j and limits: %j', (payload, ids, limits) => {
    expect(changeOf(payload)).toEqual({ ids, limits });
  });
});
