import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { type RunningProgram, runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { type Environment, openScene, type Scene, startEndpoint, stopWorker } from './scene.ts';

/** The whole test: TEST_OUTBOX_TRANSACTIONS=10000, for minutes. */
const TRANSACTIONS = Number(process.env.TEST_OUTBOX_TRANSACTIONS ?? 1200);
const KILLS = process.env.TEST_OUTBOX_TRANSACTIONS === undefined ? 2 : 6;
const UPDATES = 500;
const WRITERS = 20;

async function startRelay(scene: Pick<Scene, 'env'>, env: Environment = {}): Promise<RunningProgram> {
  const relay = await runProgram(['relay'], { env: { ...scene.env, ...env } });
  await relay.waitForLine(/relay\.started/);
  return relay;
}

async function openWriters(scene: Pick<Scene, 'env'>, count: number): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString: scene.env.DATABASE_URL, max: count });
  cleanUpAfter(() => pool.end());
  return pool;
}

/** Runs `work` in a transaction that is committed, or rolled back. */
async function transaction(
  pool: pg.Pool,
  end: 'COMMIT' | 'ROLLBACK',
  work: (client: pg.PoolClient) => Promise<unknown>,
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query(end);
  } finally {
    client.release();
  }
}

/** Runs `task` for the numbers 0 to `count` - 1, `atOnce` of them at the same time. */
async function forEachNumber(count: number, atOnce: number, task: (number: number) => Promise<unknown>) {
  let next = 0;
  const run = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, run));
}

const bodiesOf = (requests: readonly { readonly body: Buffer }[]) =>
  requests.map(({ body }) => JSON.parse(body.toString()));

describe('the outbox', () => {
  it('delivers exactly what was committed, while relays are killed and stopped', async () => {
    const scene = await openScene();
    await createTables(scene);
    const endpoint = await startEndpoint();
    await register(scene, 'invoices', endpoint.url);
    await scene.startWorker();
    await scene.query('CREATE TABLE invoices (number integer PRIMARY KEY)');
    const writers = await openWriters(scene, 8);
    const relays = [await startRelay(scene), await startRelay(scene)];

    let written = 0;
    const writing = forEachNumber(TRANSACTIONS, 8, async (number) => {
      await transaction(writers, number % 3 === 0 ? 'ROLLBACK' : 'COMMIT', async (client) => {
        await client.query('INSERT INTO invoices VALUES ($1)', [number]);
        // Every other one in order, by customer.
        await client.query('SELECT webhook_enqueue($1, $2, ordering_key => $3)', [
          'invoices',
          { number },
          number % 2 === 0 ? null : `customer ${number % 50}`,
        ]);
      });
      written += 1;
    });
    for (let kill = 1; kill <= KILLS; kill++) {
      await until(() => written >= (TRANSACTIONS * kill) / (KILLS + 2));
      const victim = relays[kill % 2]!;
      victim.kill('SIGKILL');
      await victim.waitForExit();
      relays[kill % 2] = await startRelay(scene);
    }
    const [stopped] = relays;
    stopped!.kill('SIGSTOP');
    await writing;
    stopped!.kill('SIGCONT');

    const committed = (await scene.query<{ number: number }>('SELECT number FROM invoices')).map(
      ({ number }) => number,
    );
    await until(() => endpoint.received().webhookIds >= committed.length, { timeoutMs: 200_000 });
    await until(async () => (await scene.query('SELECT FROM rule_nats_outbox')).length === 0);
    const arrived = bodiesOf(endpoint.requests).map(({ number }) => number);
    expect(arrived.toSorted((a, b) => a - b)).toEqual(committed.toSorted((a, b) => a - b));
    const history = await scene.query(
      `SELECT FROM rule_nats_publish_history WHERE triggered_by = 'outbox' AND success`,
    );
    expect(history).toHaveLength(committed.length);
    await Promise.all(relays.map(stopWorker));
  }, 300_000);

  it('delivers the updates of an order in the order of their commits', async () => {
    const scene = await openScene();
    await createTables(scene);
    const endpoint = await startEndpoint();
    await register(scene, 'orders', endpoint.url);
    await scene.startWorker();
    await startRelay(scene);
    await startRelay(scene);
    await scene.query('CREATE TABLE orders (id text PRIMARY KEY, version integer NOT NULL)');
    await scene.query(`INSERT INTO orders VALUES ('Auftrag 17/ä', 0)`);
    const writers = await openWriters(scene, WRITERS);
    await forEachNumber(UPDATES, WRITERS, () =>
      transaction(writers, 'COMMIT', async (client) => {
        const { rows } = await client.query('UPDATE orders SET version = version + 1 RETURNING *');
        await client.query('SELECT webhook_enqueue($1, $2, ordering_key => $3)', [
          'orders',
          { version: rows[0].version },
          rows[0].id,
        ]);
      }),
    );
    await until(() => endpoint.received().webhookIds === UPDATES);
    const versions = bodiesOf(endpoint.requests).map(({ version }) => version);
    expect(versions).toEqual(Array.from({ length: UPDATES }, (_, index) => index + 1));
  }, 120_000);

  it('delivers to a URL, to the row of the name, with headers, and not before its time', async () => {
    const scene = await openScene();
    await createTables(scene);
    const [direct, registered] = [await startEndpoint(), await startEndpoint()];
    await register(scene, 'orders', registered.url);
    await scene.startWorker();
    const relay = await startRelay(scene);
    const [row] = await scene.query<{ now: Date }>('SELECT now()');
    const due = new Date(row!.now.getTime() + 3000);
    await scene.query(
      `SELECT webhook_enqueue('direct', '{"a": 1.10, "webhook_url": "http://127.0.0.1:1"}', $1, '{"X-Event-Type": "a.b", "X-Number": 7}', 'id-1'),
        webhook_enqueue('orders', '{"webhook_url": "http://127.0.0.1:1"}', headers => '{"X-Note": "\\u00fc"}', message_id => 'id-1'),
        webhook_enqueue('orders', '[2]', message_id => 'id-2', deliver_at => $2)`,
      [`${direct.url}/hook`, due],
    );
    await until(() => direct.requests.length === 1 && registered.requests.length === 2);
    expect(direct.requests[0]).toMatchObject({ path: '/hook', webhookId: 'id-1' });
    expect(direct.requests[0]!.body.toString()).toBe('{"a": 1.10, "webhook_url": "http://127.0.0.1:1"}');
    expect(direct.requests[0]!.headers).toMatchObject({ 'x-event-type': 'a.b', 'x-number': '7' });
    const [data, later] = registered.requests;
    expect(data).toMatchObject({ webhookId: 'id-1', headers: { 'x-note': 'ü' } });
    expect(data!.body.toString()).toBe('{"webhook_url": "http://127.0.0.1:1"}');
    expect(later!.webhookId).toBe('id-2');
    expect(later!.at.getTime()).toBeGreaterThanOrEqual(due.getTime() - 100);
    const events = await scene.query('SELECT name, status, message_id FROM nats_outbox_events ORDER BY id');
    expect(events).toEqual([
      { name: 'direct', status: 'published', message_id: 'id-1' },
      { name: 'orders', status: 'published', message_id: 'id-1' },
      { name: 'orders', status: 'published', message_id: 'id-2' },
    ]);
    expect(await stopWorker(relay)).toMatchObject({ msg: 'relay.stopped', published: 3, failed: 0 });
  });

  it('publishes to the subjects of SUBJECT, in any order and in order', async () => {
    const env = { SUBJECT: 'events.*' };
    const scene = await openScene();
    await createTables(scene, env);
    const endpoint = await startEndpoint();
    await register(scene, 'orders', endpoint.url);
    await scene.startWorker(env);
    await startRelay(scene, env);
    await scene.query(
      `SELECT webhook_enqueue('orders', '1', message_id => 'a'), webhook_enqueue('orders', '2', message_id => 'b', ordering_key => 'k')`,
    );
    await until(() => endpoint.requests.length === 2);
    expect(endpoint.requests.map(({ webhookId }) => webhookId).toSorted()).toEqual(['a', 'b']);
    const published = await scene.query(`SELECT subject FROM rule_nats_publish_history ORDER BY message_id`);
    expect(published).toEqual([
      { subject: 'events.orders' },
      { subject: expect.stringMatching(/^events\.ordered\./) },
    ]);
  });
});
