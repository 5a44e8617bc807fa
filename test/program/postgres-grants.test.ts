import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { describe, expect, inject, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { listenForChanges } from '../../src/postgres/connection/listen.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { listApiKeys, noteKeysUsed, readApiKeys } from '../../src/postgres/tables/api-keys-table.ts';
import { readEndpointLimits } from '../../src/postgres/tables/endpoints-table.ts';
import { readBacklog } from '../../src/postgres/tables/outbox-backlog-view.ts';
import {
  insertReceivedWebhooks,
  readReceivedWebhook,
  readWebhookCounts,
} from '../../src/postgres/tables/received-webhooks-table.ts';
import { readSources } from '../../src/postgres/tables/sources-table.ts';
import { readStreamRow } from '../../src/postgres/tables/streams-table.ts';
import { disableWebhook, noteFailing } from '../../src/postgres/tables/webhooks-table.ts';
import { outcomeOf } from '../commands/programs.ts';
import { readWebhooks } from '../postgres/read-webhooks.ts';
import { endpointStateOf, flushOf } from '../postgres/records.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { runProgram } from '../support/program.ts';
import { createTestDatabase } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { manualBlock } from './manual.ts';
import {
  deadLetterOf,
  logOf,
  openScene,
  type Scene,
  startEndpoint,
  statisticsOf,
  stopWorker,
} from './scene.ts';

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

type Role = `webhook_${'owner' | 'worker' | 'api' | 'operator' | 'relay' | 'app'}`;

/** Creates a database with the roles of the manual. The roles get unique names, because they belong to the whole server. */
async function openRoles() {
  const suffix = randomUUID().replaceAll('-', '');
  const named = (sql: string) =>
    sql.replace(/webhook_(owner|worker|api|operator|relay|app)\b/g, `webhook_$1_${suffix}`);
  const roles = 'webhook_owner, webhook_worker, webhook_api, webhook_operator, webhook_relay, webhook_app';
  cleanUpAfter(() =>
    onServer(inject('postgresUrl'), (client) => client.query(named(`DROP ROLE IF EXISTS ${roles}`))),
  );
  const { url } = await createTestDatabase();
  const urlAs = (role: Role) => {
    const login = new URL(url);
    login.username = named(role);
    login.password = 'change-me';
    return login.href;
  };
  const run = (sql: string) => onServer(url, (client) => client.query(named(sql)));
  await run(manualBlock('CREATE ROLE webhook_owner'));
  return { url, urlAs, run };
}

/** Creates the tables as their owner, and the worker's role with only the grants of the manual. */
async function openMigrated() {
  const roles = await openRoles();
  const migrated = await outcomeOf(['migrate'], { DATABASE_URL: roles.urlAs('webhook_owner') });
  expect(migrated).toMatchObject({ code: 0 });
  for (const role of ['webhook_worker', 'webhook_api', 'webhook_operator']) {
    await roles.run(manualBlock(`CREATE ROLE ${role}`));
  }
  const scene = await openScene({ databaseUrl: roles.url });
  return { ...roles, scene, env: { DATABASE_URL: roles.urlAs('webhook_worker'), CONSUMER_NAME: 'one' } };
}

/** Creates a partition and rows that maintenance must remove. */
async function createOldData(scene: Scene): Promise<void> {
  await scene.query(`SELECT rule_nats_delivery_attempts_add_day('2020-01-01')`);
  await scene.query(
    `INSERT INTO rule_nats_publish_history (subject, payload, success, triggered_by, expires_at)
     VALUES ('old', '{}', false, 'nats-webhook-worker', now() - interval '1 day')`,
  );
  await scene.query(
    `INSERT INTO rule_nats_webhooks (delivery_id, webhook_name, stream_sequence, received_at) VALUES ('old id', 'a', 1, '2020-01-01')`,
  );
}

async function oldData(scene: Scene): Promise<string[]> {
  const rows = await scene.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relname = 'rule_nats_delivery_attempts_20200101'
     UNION ALL SELECT subject FROM rule_nats_publish_history WHERE subject = 'old'
     UNION ALL SELECT delivery_id FROM rule_nats_webhooks`,
  );
  return rows.map(({ name }) => name);
}

/** Checks that a worker delivers, retries, dead-letters and counts, and logs no error. */
async function expectFullWork(scene: Scene, env: Record<string, string>) {
  const worker = await scene.startWorker({ ...env, MAX_ATTEMPTS: '2', BACKOFF_BASE_MS: '10' });
  const [good, bad] = [await startEndpoint(), await startEndpoint({ status: 500 })];
  const delivered = await scene.publish({ webhook_url: good.url });
  const lost = await scene.publish({ webhook_url: bad.url });
  await deadLetterOf(scene, lost);
  expect(await scene.deliveryOf(delivered, 'delivered')).toMatchObject({ attempts: 1 });
  expect(await scene.deliveryOf(lost, 'dead-lettered')).toMatchObject({ attempts: 2 });
  expect(await stopWorker(worker)).toMatchObject({ unflushedRows: 0 });
  expect((await statisticsOf(scene)).get('one')).toMatchObject({
    active: false,
    messages_acknowledged: 1,
    messages_retried: 1,
    messages_dead_lettered: 1,
  });
  expect(logOf(worker).filter(({ level }) => level === 'error')).toEqual([]);
  expect(JSON.stringify(logOf(worker))).not.toContain('permission denied');
}

describe('the grants in the manual', () => {
  it('are enough for a worker that creates the tables itself', async () => {
    const { url, urlAs } = await openRoles();
    const scene = await openScene({ databaseUrl: url });
    await expectFullWork(scene, { DATABASE_URL: urlAs('webhook_owner'), CONSUMER_NAME: 'one' });
  });

  it('are enough for deliveries, dead letters, statistics and maintenance on tables that the owner has created', async () => {
    const { scene, env } = await openMigrated();
    await createOldData(scene);
    await expectFullWork(scene, env);
    expect(await oldData(scene)).toEqual([]);
    const { stdout, code } = await outcomeOf(['stats'], { ...scene.env, ...env });
    expect(stdout).toMatch(/^ one +\| no +\| +3 \| +1 /m);
    expect(code).toBe(0);
  });

  it('are enough to read and write the endpoint tables, and for stats', async () => {
    const { run, urlAs } = await openMigrated();
    await run(`INSERT INTO rule_nats_endpoints (endpoint_key, paused) VALUES ('a', true)`);
    const env = { DATABASE_URL: urlAs('webhook_worker'), NATS_URL: 'nats://127.0.0.1:1' };
    const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: 1 });
    const flush = flushOf({ endpoints: [endpointStateOf()] });
    await storeFlush(pool, flush);
    await storeFlush(pool, { ...flush, number: 2 });
    const group = { streamName: flush.streamName, queueGroup: flush.queueGroup };
    expect(await readEndpointLimits(pool, group)).toMatchObject({
      byOperator: new Map([['a', { paused: true }]]),
    });
    await pool.end();
    expect((await outcomeOf(['stats'], env)).stdout).toMatch(
      /^ https:..example.com \| example-com-0a1b2c3d \| failing/m,
    );
    await run('REVOKE SELECT ON nats_endpoint_health, rule_nats_worker_instances FROM webhook_worker');
    const { code, stdout } = await outcomeOf(['stats'], env);
    expect(stdout).toMatch(/^ webhook-worker-1 \| yes/m);
    expect(stdout).toContain(
      'The endpoints cannot be shown: permission denied for view nats_endpoint_health',
    );
    expect(stdout).toContain(
      'The settings of the workers cannot be compared: permission denied for table rule_nats_worker_instances',
    );
    expect(code).toBe(0);
  });

  it('are enough to read and write the registry', async () => {
    const { run, urlAs } = await openMigrated();
    await run(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test');
      INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value) VALUES (1, 'signing_secret', 'whsec_a')`);
    const pool = new pg.Pool({ connectionString: urlAs('webhook_worker'), max: 1 });
    expect(await readWebhooks(pool)).toMatchObject([{ name: 'slack', secrets: ['whsec_a'] }]);
    expect(await noteFailing(pool, 1, Date.UTC(2026, 0, 1))).toBe(true);
    expect(await disableWebhook(pool, 1, 'it answered 410')).toBe(true);
    await pool.end();
    let changes = 0;
    const { stop } = listenForChanges({
      url: urlAs('webhook_worker'),
      log: pino({ level: 'silent' }),
      changed() {
        changes++;
      },
    });
    await until(() => changes === 1);
    await run(`UPDATE rule_webhooks SET enabled = true`);
    await until(() => changes === 2);
    stop();
  });

  it('are enough for operators to make and revoke API keys, and to make and remove sources and endpoints', async () => {
    const { urlAs } = await openMigrated();
    const env = { DATABASE_URL: urlAs('webhook_operator') };
    const made = await outcomeOf(['keys', 'create', 'shop'], env);
    expect(made).toMatchObject({ code: 0 });
    expect(await outcomeOf(['keys', 'revoke', 'shop'], env)).toMatchObject({ code: 0 });
    expect((await outcomeOf(['keys', 'list'], env)).stdout).toMatch(/shop .* revoked/);
    const set = ['sources', 'set', 'payments', '--template', 'payments', '--secret', 's'];
    expect(await outcomeOf(set, env)).toMatchObject({ code: 0 });
    expect((await outcomeOf(['sources', 'list'], env)).stdout).toContain('payments');
    expect(await outcomeOf(['sources', 'remove', 'payments'], env)).toMatchObject({ code: 0 });
    await onServer(env.DATABASE_URL, (client) =>
      client.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test');
        INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value) VALUES (1, 'signing_secret', 'whsec_a');
        UPDATE rule_webhooks SET paused = true; DELETE FROM rule_webhooks;
        INSERT INTO rule_nats_endpoints (endpoint_key, paused) VALUES ('a', true);
        SELECT * FROM nats_deliveries; SELECT * FROM nats_endpoint_health; SELECT * FROM nats_recent_failures`),
    );
  });

  it('are enough for the API to follow keys and sources, and to store when a key was used', async () => {
    const { urlAs } = await openMigrated();
    const operator = { DATABASE_URL: urlAs('webhook_operator') };
    const key = (await outcomeOf(['keys', 'create', 'shop'], operator)).stdout;
    await outcomeOf(['sources', 'set', 'github', '--signature', 'github', '--secret', 's'], operator);
    const pool = new pg.Pool({ connectionString: urlAs('webhook_api'), max: 2 });
    expect((await readApiKeys(pool, null)).rows).toMatchObject([{ id: key.slice(4, 12) }]);
    expect((await readSources(pool, null)).rows).toMatchObject([{ name: 'github', secrets: ['s'] }]);
    await noteKeysUsed(pool, new Map([[key.slice(4, 12), Date.UTC(2026, 0, 1)]]));
    expect(await listApiKeys(pool)).toMatchObject([{ lastUsedAt: new Date(Date.UTC(2026, 0, 1)) }]);
    expect(await readWebhooks(pool)).toEqual([]);
    await readEndpointLimits(pool, { streamName: 'WEBHOOKS', queueGroup: 'g' });
    await readStreamRow(pool, 'WEBHOOKS');
    const received = {
      id: 'a-1',
      name: 'a',
      eventType: null,
      eventId: null,
      sequence: 1,
      receivedAt: Date.UTC(2026, 0, 1),
    };
    await insertReceivedWebhooks(pool, [received]);
    expect(await readReceivedWebhook(pool, 'a-1')).toEqual(received);
    expect(await readWebhookCounts(pool)).toEqual([]);
    expect(await readBacklog(pool)).toMatchObject({ waiting: 0 });
    await pool.query('SELECT FROM nats_deliveries');
    await pool.end();
  });

  it('let the API neither make keys, nor widen or revive them, nor change sources', async () => {
    const { urlAs } = await openMigrated();
    for (const sql of [
      `INSERT INTO rule_nats_api_keys VALUES ('aaaaaaaa', 'n', sha256('a'), '{publish}')`,
      `UPDATE rule_nats_api_keys SET scopes = '{administer}'`,
      'UPDATE rule_nats_api_keys SET revoked_at = NULL',
      `UPDATE rule_nats_api_keys SET key_hash = sha256('b')`,
      'DELETE FROM rule_nats_api_keys',
      `UPDATE rule_nats_sources SET signature = 'none'`,
      'DELETE FROM rule_nats_source_secrets',
      'UPDATE rule_webhooks SET enabled = true',
    ]) {
      const denied = onServer(urlAs('webhook_api'), (client) => client.query(sql));
      await expect(denied, sql).rejects.toMatchObject({ code: '42501' });
    }
    for (const sql of [
      'SELECT FROM rule_nats_api_keys',
      'SELECT FROM rule_nats_source_secrets',
      `UPDATE rule_nats_api_keys SET key_hash = sha256('b')`,
    ]) {
      const role = sql.startsWith('SELECT') ? 'webhook_worker' : 'webhook_operator';
      const denied = onServer(urlAs(role), (client) => client.query(sql));
      await expect(denied, sql).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('are enough for a relay, and for a program that enqueues', async () => {
    const { scene, run, urlAs, env } = await openMigrated();
    await run(manualBlock('CREATE ROLE webhook_relay'));
    const worker = await scene.startWorker(env);
    const endpoint = await startEndpoint();
    const relay = await runProgram(['relay'], {
      env: { ...scene.env, DATABASE_URL: urlAs('webhook_relay') },
    });
    await relay.waitForLine(/relay\.started/);
    const { config } = await scene.manager.streams.info('WEBHOOKS');
    await scene.manager.streams.update('WEBHOOKS', { ...config, max_msg_size: 4096 });
    await onServer(urlAs('webhook_app'), async (client) => {
      await client.query('SELECT webhook_enqueue($1, $2, $3)', ['a', '1', endpoint.url]);
      await client.query(`SELECT webhook_enqueue('b', to_jsonb(repeat('x', 5000)))`);
      await expect(client.query('DELETE FROM rule_nats_outbox')).rejects.toMatchObject({ code: '42501' });
    });
    await until(() => endpoint.requests.length === 1);
    await until(async () => {
      const rows = await scene.query('SELECT status FROM nats_outbox_events ORDER BY id');
      expect(rows).toEqual([{ status: 'published' }, { status: 'failed' }]);
      return true;
    });
    expect(JSON.stringify(logOf(relay))).not.toContain('permission denied');
    for (const role of ['webhook_relay', 'webhook_worker', 'webhook_operator'] as const)
      await onServer(urlAs(role), async (client) => {
        expect((await client.query('SELECT waiting, failed FROM nats_outbox_backlog')).rows).toEqual([
          { waiting: 0, failed: 1 },
        ]);
      });
    await Promise.all([stopWorker(relay), stopWorker(worker)]);
  });

  it('allow neither changes of tables nor reading the login of the extension', async () => {
    const { urlAs } = await openMigrated();
    for (const sql of [
      'SELECT auth_token FROM rule_nats_config',
      'DELETE FROM rule_nats_delivery_attempts',
      'DROP TABLE rule_nats_delivery_attempts',
      'DELETE FROM rule_nats_endpoints',
      `UPDATE rule_webhooks SET url = 'https://evil.test'`,
      'DELETE FROM rule_webhooks',
      'DELETE FROM rule_webhook_secrets',
      'CREATE TABLE mine (id int)',
    ]) {
      const denied = onServer(urlAs('webhook_worker'), (client) => client.query(sql));
      await expect(denied, sql).rejects.toMatchObject({ code: '42501' });
    }
  });
});

describe('without a grant', () => {
  it('to insert attempts, a worker delivers, names the grant in the log and in /health, and stores its statistics later', async () => {
    const { scene, env, run } = await openMigrated();
    await run('REVOKE INSERT ON rule_nats_delivery_attempts FROM webhook_worker');
    const port = String(await freePort());
    const worker = await scene.startWorker({ ...env, HTTP_PORT: port });
    const endpoint = await startEndpoint();
    const sequence = await scene.publish({ webhook_url: endpoint.url });
    await until(() => endpoint.requests.length === 1);
    await worker.waitForLine(
      /permission denied for table rule_nats_delivery_attempts.*statistics\.store_failed/,
    );
    const health = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
    expect(health).toMatchObject({
      status: 'degraded',
      troubles: {
        postgres: expect.stringContaining('permission denied for table rule_nats_delivery_attempts'),
      },
    });
    await run('GRANT INSERT ON rule_nats_delivery_attempts TO webhook_worker');
    expect(await scene.deliveryOf(sequence, 'delivered')).toMatchObject({ attempts: 1 });
    expect((await statisticsOf(scene)).get('one')).toMatchObject({
      messages_acknowledged: 1,
      rows_dropped: 0,
    });
  });

  it('to create tables, a worker on an empty database ends, and names the grant', async () => {
    const { urlAs, run } = await openRoles();
    await run('REVOKE CREATE ON SCHEMA public FROM webhook_owner');
    const env = { DATABASE_URL: urlAs('webhook_owner'), NATS_URL: 'nats://127.0.0.1:1' };
    const { code, stderr } = await outcomeOf(['worker'], env);
    expect(stderr).toMatch(
      /cannot be applied: permission denied for schema public\..*GRANT USAGE, CREATE ON SCHEMA/,
    );
    expect(code).toBe(1);
  });
});
