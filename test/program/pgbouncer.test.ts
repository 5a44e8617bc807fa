import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { pgBouncerProblem, startPgBouncer } from '../support/pgbouncer.ts';
import { type RunningProgram, runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { logOf, openScene, type Scene, startEndpoint, stopWorker } from './scene.ts';

const problem = await pgBouncerProblem();
const TRANSACTIONS = 300;
const WRITERS = 20;
/** Fewer than the relays alone have connections to PgBouncer. */
const SIZE = 6;

async function startRelay(env: Scene['env']): Promise<RunningProgram> {
  const relay = await runProgram(['relay'], { env });
  await relay.waitForLine(/relay\.started/);
  return relay;
}

/** Every third transaction is rolled back. The others enqueue one webhook without, and one with an ordering key. */
async function write(url: string): Promise<number[]> {
  const pool = new pg.Pool({ connectionString: url, max: WRITERS });
  cleanUpAfter(() => pool.end());
  const committed: number[] = [];
  let next = 0;
  async function writeSome(): Promise<void> {
    while (next < TRANSACTIONS) {
      const number = next++;
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query('SELECT webhook_enqueue($1, $2)', ['orders', { number }]);
        await client.query('UPDATE counters SET value = value + 1');
        await client.query(
          `SELECT webhook_enqueue('orders', jsonb_build_object('value', value), ordering_key => 'counter') FROM counters`,
        );
        await client.query(number % 3 === 0 ? 'ROLLBACK' : 'COMMIT');
        if (number % 3 !== 0) committed.push(number);
      } finally {
        client.release();
      }
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, writeSome));
  return committed;
}

const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);

describe.skipIf(problem !== null)(`behind a real PgBouncer${problem === null ? '' : ` (${problem})`}`, () => {
  for (const mode of ['transaction', 'session'] as const) {
    it(`with pool_mode = ${mode}, exactly the committed webhooks arrive, in order, also if a relay is killed`, async () => {
      const direct = await openScene();
      // With pool_mode = session, each client keeps a connection: those of two relays, a worker and the writers.
      const size = mode === 'session' ? 60 : SIZE;
      const bouncer = await startPgBouncer({ databaseUrl: direct.env.DATABASE_URL!, mode, size });
      const scene = { ...direct, env: { ...direct.env, DATABASE_URL: bouncer.url } };
      await createTables(scene);
      await scene.query('CREATE TABLE counters (value integer)');
      await scene.query('INSERT INTO counters VALUES (0)');
      const endpoint = await startEndpoint();
      await register(scene, 'orders', endpoint.url);
      await direct.startWorker({ DATABASE_URL: bouncer.url });
      const victim = await startRelay(scene.env);
      const relay = await startRelay(scene.env);
      await relay.waitForLine(/outbox\.polling/);

      const writing = write(bouncer.url);
      await until(() => endpoint.received().webhookIds > TRANSACTIONS / 4);
      victim.kill('SIGKILL');
      const committed = await writing;
      await until(() => endpoint.received().webhookIds >= 2 * committed.length);
      await until(async () => (await scene.query('SELECT FROM rule_nats_outbox')).length === 0);

      const bodies = endpoint.requests.map(({ body }) => JSON.parse(body.toString()));
      const numbers = bodies.flatMap(({ number }) => number ?? []);
      expect(sorted(numbers)).toEqual(sorted(committed));
      const values = bodies.flatMap(({ value }) => value ?? []);
      expect(values).toEqual(committed.map((_, index) => index + 1));
      expect(logOf(relay).filter(({ level }) => level !== 'info')).toEqual([]);
      await stopWorker(relay);
    });
  }

  it('goes on after PgBouncer and PostgreSQL have closed its connections', async () => {
    const direct = await openScene();
    const { env } = direct;
    const bouncer = await startPgBouncer({ databaseUrl: env.DATABASE_URL!, mode: 'transaction', size: SIZE });
    await createTables(direct);
    const relay = await startRelay({ ...env, DATABASE_URL: bouncer.url });
    await relay.waitForLine(/outbox\.polling/);
    await direct.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await direct.query(`SELECT webhook_enqueue('orders', '1')`);
    await until(async () => (await direct.query('SELECT FROM rule_nats_outbox')).length === 0);
    const left = await direct.query(
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    expect(left).toEqual([]);
    await stopWorker(relay);
  });
});
