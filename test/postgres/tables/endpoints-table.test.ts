import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseTarget } from '../../../src/core/request/target.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { storeFlush } from '../../../src/postgres/store-flush.ts';
import { readEndpointLimits } from '../../../src/postgres/tables/endpoints-table.ts';
import { manualBlock } from '../../program/manual.ts';
import { until } from '../../support/wait.ts';
import { openDatabase, type TestDatabase } from '../database.ts';
import { flushOf } from '../records.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
afterAll(() => database.close());
const run = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;

describe('a row of rule_nats_endpoints', () => {
  beforeEach(() => run('TRUNCATE rule_nats_endpoints, rule_nats_worker_instances'));
  const read = () =>
    readEndpointLimits(database.pool, { streamName: 'WEBHOOKS', queueGroup: 'webhook-workers' });

  it('is read as it is written', async () => {
    await run(`INSERT INTO rule_nats_endpoints (endpoint_key, paused, paused_reason)
      VALUES (nats_endpoint_key('https://example.com/hook'), true, 'moves to another host')`);
    await run(
      `INSERT INTO rule_nats_endpoints (endpoint_key, max_concurrency, rate_limit) VALUES ('b', 5, 0.5)`,
    );
    expect((await read()).byOperator).toEqual(
      new Map([
        [
          'example-com-100680ad',
          { paused: true, pausedReason: 'moves to another host', maxConcurrency: null, rateLimit: null },
        ],
        ['b', { paused: false, pausedReason: null, maxConcurrency: 5, rateLimit: 0.5 }],
      ]),
    );
  });

  it('pauses and resumes an endpoint with the SQL of the manual', async () => {
    const [unhealthy, pause, resume] = manualBlock('SELECT endpoint_key, state,').split(/;.*\n\n?/);
    const paused = async () => (await read()).byOperator!.get('example-com-100680ad')?.pausedReason;
    expect(await run(unhealthy!)).toEqual([]);
    for (const [sql, reason] of [
      [pause, 'moving house'],
      [resume, undefined],
      [pause, 'moving house'],
    ]) {
      await run(sql!);
      expect(await paused()).toBe(reason);
    }
  });

  it('is ignored if it sets nothing', async () => {
    await run(`INSERT INTO rule_nats_endpoints (endpoint_key, paused_reason) VALUES ('a', 'it was')`);
    expect((await read()).byOperator).toEqual(new Map());
  });

  it.each([
    ['a URL for a key', `('https://example.com', 1, 1)`, 'endpoint_key_is_one_token'],
    ['a concurrency of 0', `('a', 0, 1)`, 'max_concurrency_is_positive'],
    ['a rate of 0', `('a', 1, 0)`, 'rate_limit_is_positive'],
    ['a rate that is not a number', `('a', 1, 'NaN')`, 'rate_limit_is_positive'],
    ['a rate that is out of range', `('a', 1, 1e400)`, 'rate_limit_is_positive'],
  ])('is refused with %s', async (_, values, constraint) => {
    const sql = `INSERT INTO rule_nats_endpoints (endpoint_key, max_concurrency, rate_limit) VALUES ${values}`;
    await expect(run(sql)).rejects.toMatchObject({ constraint });
  });

  it('has the time of its last change', async () => {
    await run(`INSERT INTO rule_nats_endpoints (endpoint_key, updated_at) VALUES ('a', '2020-01-01')`);
    await run(`UPDATE rule_nats_endpoints SET paused = true`);
    expect(await run(`SELECT updated_at > '2021-01-01' AS new FROM rule_nats_endpoints`)).toEqual([
      { new: true },
    ]);
  });

  it('is read with the number of running workers of the group, which share its limits', async () => {
    const stopped = flushOf();
    const silent = flushOf({ silentAfterMs: 1000 });
    for (const flush of [
      flushOf(),
      flushOf({ consumerName: 'other name' }),
      flushOf({ queueGroup: 'other group' }),
      flushOf({ streamName: 'OTHERS' }),
      silent,
      stopped,
      { ...stopped, number: 2, active: false },
    ])
      await storeFlush(database.pool, flush);
    await run(
      `UPDATE rule_nats_worker_instances SET active = true, last_active_at = now() - interval '2 seconds'
       WHERE instance_id = $1`,
      [silent.instanceId],
    );
    const { byOperator, instances } = await read();
    expect([byOperator, instances]).toEqual([new Map(), [expect.anything(), expect.anything()]]);
  });

  it('is read with all running workers soon after the clock of PostgreSQL jumped an hour ahead: each writes its time again', async () => {
    const [one, other] = [flushOf(), flushOf()];
    for (const flush of [one, other]) await storeFlush(database.pool, flush);
    await run(`UPDATE rule_nats_worker_instances SET last_active_at = last_active_at - interval '1 hour'`);
    await storeFlush(database.pool, { ...one, number: 2 });
    expect((await read()).instances?.length).toBe(1);
    await storeFlush(database.pool, { ...other, number: 2 });
    expect((await read()).instances?.length).toBe(2);
  });

  it('is read without a worker that ended before the clock of PostgreSQL was set back an hour', async () => {
    const [ended, running] = [flushOf({ silentAfterMs: 1000 }), flushOf()];
    for (const flush of [ended, running]) await storeFlush(database.pool, flush);
    await run(`UPDATE rule_nats_worker_instances SET last_active_at = last_active_at + interval '1 hour'`);
    expect((await read()).instances?.length).toBe(2);
    await storeFlush(database.pool, { ...running, number: 2 });
    await until(async () => (await read()).instances?.length === 1);
  });

  it('comes with what each worker says of itself', async () => {
    const description = {
      version: '9.8.7',
      features: ['instance-row'],
      settings: { ALLOWED_PORTS: [80, 443], EGRESS_PROXY: null },
    } as const;
    const flush = flushOf({ consumerName: 'one', description });
    await storeFlush(database.pool, flush);
    await storeFlush(database.pool, { ...flush, number: 2 });
    expect((await read()).instances).toEqual([{ instanceId: flush.instanceId, name: 'one', ...description }]);
  });

  it('comes with a worker of an older version as one without features', async () => {
    await run(`INSERT INTO rule_nats_worker_instances (instance_id, stream_name, consumer_name, last_number, silent_after_ms)
      VALUES (gen_random_uuid(), 'WEBHOOKS', 'older', 1, 30000)`);
    expect((await read()).instances).toMatchObject([
      { name: 'older', version: null, features: [], settings: null },
    ]);
  });

  it('is shared with a worker of an older version, which stores no group', async () => {
    await storeFlush(database.pool, flushOf());
    await storeFlush(database.pool, flushOf());
    await run('UPDATE rule_nats_worker_instances SET queue_group = NULL');
    expect((await read()).instances).toHaveLength(2);
  });

  it('knows no worker before the first flush', async () => {
    expect((await read()).instances).toEqual([]);
  });
});

describe('nats_endpoint_key', () => {
  const keyOf = async (url: string) => (await run('SELECT nats_endpoint_key($1) AS key', [url]))[0].key;

  it.each([
    'https://example.com/hook',
    'https://example.com',
    'https://example.com?a=b',
    'https://example.com#a',
    ' https://example.com/\n',
    'HTTPS://API.Example.COM/Hook',
    'https://example.com:443/a',
    'http://example.com:80',
    'http://example.com:443',
    'https://example.com:0443/',
    'https://example.com:/',
    'https://example.com:8443/a?b#c',
    'http://localhost:9000/hook',
    'http://receiver:9000/hook',
    'https://example.com./',
    'https://my_host.example.com/',
    'https://a-b.example.com/a@b:c',
    'https://xn--bcher-kva.example/',
    'https://istanbul.example/II',
    'http://127.0.0.1:9000/hook',
    'http://[::1]:9000/',
    'http://[2001:DB8:0:0:0:0:0:1]/',
    'http://[2001:db8::1]:80/',
    'http://[2001:db8:0:1:1:1:1:1]/',
    'http://[1:0:0:2:0:0:0:3]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[::10.0.0.1]/',
    'http://[fe80::]/',
    'http://[::]/',
    'https://host.123a/',
    `https://${'a'.repeat(60)}.${'b'.repeat(60)}.example.com/`,
  ])('is the key that workers use: %j', async (url) => {
    const result = parseTarget(url, 'url');
    expect(result).toMatchObject({ kind: 'target' });
    expect(await keyOf(url)).toBe(result.kind === 'target' && result.target.endpointKey);
  });

  it.each([
    '',
    'example.com',
    'ftp://example.com',
    'https://',
    'https://user:secret@example.com/',
    'https://bücher.example/',
    'https://a%2eb/',
    'https://exa mple.com/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.0.0.1/',
    'http://1.2.3.04/',
    'http://256.0.0.1/',
  ])('is an error if no worker uses the URL: %j', async (url) => {
    const failure = await keyOf(url).catch((error) => error);
    expect(failure).toMatchObject({ code: '22023' });
    expect(failure.message).not.toContain('secret');
  });

  it('is null for null', async () => {
    expect(await run('SELECT nats_endpoint_key(NULL) AS key')).toEqual([{ key: null }]);
  });
});
