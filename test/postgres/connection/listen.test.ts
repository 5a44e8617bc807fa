import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ListenOptions, listenForChanges } from '../../../src/postgres/connection/listen.ts';
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

/** Listens, and counts what it is told. */
function listenTo(url: string, options: Partial<ListenOptions> = {}) {
  const heard = { changes: 0, stop: () => {} };
  const { stop } = listenForChanges({
    url,
    log: SILENT,
    ...options,
    changed() {
      heard.changes++;
    },
  });
  heard.stop = stop;
  return heard;
}

describe('a listener', () => {
  let database: TestDatabase;
  let heard: ReturnType<typeof listenTo>;
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
    heard = listenTo(database.url);
    await until(() => heard.changes === 1);
  });
  afterEach(() => heard.stop());
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
    [`SELECT rule_webhook_secret_set(1, 'signing_secret', 'b')`],
    ['DELETE FROM rule_webhook_secrets'],
    ['TRUNCATE rule_webhook_secrets'],
    [`INSERT INTO rule_nats_endpoints (endpoint_key, paused) VALUES ('b', true)`],
    ['UPDATE rule_nats_endpoints SET paused = true'],
    ['DELETE FROM rule_nats_endpoints'],
    ['TRUNCATE rule_nats_endpoints'],
  ])('is told of %s', async (sql) => {
    await run(sql);
    await until(() => heard.changes === 2);
  });

  /** The server tells in the order of commits: what comes before a marker was told before it. */
  const toldBefore = async (work: () => Promise<unknown>) => {
    const client = await database.pool.connect();
    const told: string[] = [];
    client.on('notification', ({ channel }) => told.push(channel));
    try {
      await client.query('LISTEN nats_webhook_worker_endpoints; LISTEN marker');
      await work();
      await run('NOTIFY marker');
      await until(() => told.includes('marker'));
    } finally {
      client.release(true);
    }
    return told.length - 1;
  };

  it.each([
    ['what changes nothing', () => run('UPDATE rule_webhooks SET url = url, updated_at = now()')],
    ['what only workers write', () => noteFailing(database.pool, 1, Date.UTC(2026, 0, 1))],
    ['the same of an operator', () => run('UPDATE rule_nats_endpoints SET paused = false')],
    ['the same secret', () => run(`UPDATE rule_webhook_secrets SET secret_value = 'a'`)],
  ])('is not told of %s', async (_, work) => {
    expect(await toldBefore(work)).toBe(0);
  });

  it('is told once of a transaction, however much it changes', async () => {
    expect(
      await toldBefore(() =>
        run(`INSERT INTO rule_webhooks (webhook_name, url)
             SELECT 'hook-' || n, 'https://host.test' FROM generate_series(1, 1000) n;
             UPDATE rule_webhooks SET paused = true; DELETE FROM rule_webhooks`),
      ),
    ).toBe(1);
  });

  it('makes one change of many notifications', async () => {
    const before = heard.changes;
    // 20 transactions in one go: said one by one, each may come later than those that it would be told together with.
    await run('BEGIN; NOTIFY nats_webhook_worker_endpoints; COMMIT;'.repeat(20));
    await until(() => heard.changes > before);
    expect(heard.changes).toBeLessThan(20);
  });

  it('listens again, and takes what went unheard for a change, when its connection is cut', async () => {
    const before = heard.changes;
    await run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'LISTEN nats_webhook_worker_endpoints%'`);
    await until(() => heard.changes === before + 1);
    await run('UPDATE rule_webhooks SET paused = true');
    await until(() => heard.changes === before + 2);
  });

  it('hears nothing once it is stopped, and its connection is closed', async () => {
    heard.stop();
    heard.stop();
    const before = heard.changes;
    await until(async () => {
      const { rows } = await run(`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND query = 'LISTEN nats_webhook_worker_endpoints'`);
      return rows.length === 0;
    });
    await run('UPDATE rule_webhooks SET paused = true');
    expect(heard.changes).toBe(before);
  });

  it('keeps no process alive', async () => {
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

describe('a listener whose PostgreSQL goes', () => {
  it('waits for it, also one that was away at start, and says both once and without the password', async () => {
    const postgres = await startPrivatePostgres();
    const { url } = postgres;
    await postgres.stop();
    const lines: string[] = [];
    const log = pino({}, { write: (line) => lines.push(line) });
    const heard = listenTo(url, { log });
    await until(() => lines.length === 1);
    await postgres.restart();
    await until(() => heard.changes === 1);
    const pool = createPool({ url, size: 1, log: SILENT });
    await migrate(pool, { log: SILENT });
    await pool.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test')`);
    await until(() => heard.changes === 2);

    await postgres.kill();
    await until(() => lines.length === 3);
    await postgres.restart();
    await until(() => heard.changes === 3);
    await pool.query('UPDATE rule_webhooks SET paused = true');
    await until(() => heard.changes === 4);
    heard.stop();
    await pool.end();
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'postgres.listen_failed',
      'postgres.listen_recovered',
      'postgres.listen_failed',
      'postgres.listen_recovered',
    ]);
    expect(lines.join()).not.toContain(`:${new URL(url).password}@`);
  });

  it('takes one that answers nothing for gone, and finds it again', async () => {
    const { url } = await createTestDatabase();
    const link = await startLink(Number(new URL(url).port));
    const way = new URL(url);
    way.host = new URL(link.url).host;
    const lines: string[] = [];
    const log = pino({}, { write: (line) => lines.push(line) });
    const heard = listenTo(way.href, { log, checkEveryMs: 20, answerWithinMs: 200 });
    const isAway = () => lines.at(-1)?.includes('the server does not answer');
    await until(() => heard.changes > 0);
    link.swallow();
    // A busy machine may have been silent for that long before.
    await until(isAway);
    const before = heard.changes;
    link.cut();
    await until(() => heard.changes > before && !isAway());
    heard.stop();
  });
});
