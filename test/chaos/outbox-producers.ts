import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { UserError } from '../../src/runtime/failure.ts';
import type { Published } from './load.ts';
import type { ProducerOptions, Producers } from './producers.ts';

const NAME = 'load';
const RELAYS = ['relay-1', 'relay-2'];
/** The share of the transactions that is rolled back. */
const ROLLED_BACK = 1 / 3;
const CONNECTIONS = 16;
/** How long a connection or a statement may take, in milliseconds. Then the transaction is lost, or looked up. */
const TIMEOUT_MS = 5000;
const PAUSE_MS = 250;

const ENQUEUE = `
  SELECT pg_current_xact_id()::text AS transaction,
    webhook_enqueue($1, $2, webhook_url => $3, message_id => $4, ordering_key => $5)`;
/** A row that was published is in the history. Its number alone proves nothing: after a crash, PostgreSQL may give it again. */
const LOOK_UP = `
  SELECT pg_xact_status($1::xid8) = 'in progress' AS runs,
    EXISTS (SELECT FROM rule_nats_outbox WHERE message_id = $2)
      OR EXISTS (SELECT FROM rule_nats_publish_history WHERE message_id = $2) AS committed`;

/** Enqueues each message in a transaction of its own. A third of the transactions is rolled back. */
export async function outboxProducers(options: ProducerOptions): Promise<Producers> {
  const { database, make, seed, givesUpAt, failed } = options;
  const random = seededRandom(seed, 'transactions that are rolled back');
  const pool = new pg.Pool({
    connectionString: database!.url,
    max: CONNECTIONS,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  let commits = 0;
  // PostgreSQL is killed. A transaction that needs the connection fails by itself.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));

  /** Resolves when PostgreSQL tells what became of a transaction whose COMMIT was not answered. */
  async function lookedUp(id: string, transaction: string): Promise<Published> {
    while (performance.now() < givesUpAt) {
      const answer = await pool.query(LOOK_UP, [transaction, id]).catch(() => null);
      const found = answer?.rows[0];
      if (found?.committed === true) return { kind: 'accepted', id, sequence: ++commits, isRepeated: true };
      if (found?.runs === false) return { kind: 'refused', id };
      await wait(PAUSE_MS);
    }
    return { kind: 'unknown' };
  }

  return {
    programs: RELAYS.map((name) => make({ command: 'relay', name, settings: { HTTP_PORT: '0' } })),
    async publish({ id, url, body, orderingKey }) {
      const isRolledBack = random() < ROLLED_BACK;
      let transaction: string | null = null;
      let isCommitting = false;
      let client: pg.PoolClient | null = null;
      let error: Error | undefined;
      try {
        client = await pool.connect();
        await client.query('BEGIN');
        const { rows } = await client.query(ENQUEUE, [NAME, JSON.stringify(body), url, id, orderingKey]);
        transaction = rows[0].transaction;
        isCommitting = !isRolledBack;
        await client.query(isRolledBack ? 'ROLLBACK' : 'COMMIT');
        return isRolledBack ? { kind: 'refused', id } : { kind: 'accepted', id, sequence: ++commits };
      } catch (cause) {
        error = cause as Error;
        if (isRefusal(cause)) failed(new UserError(`PostgreSQL refused a transaction: ${error.message}`));
        if (!isCommitting) return { kind: 'refused', id };
      } finally {
        client?.release(error);
      }
      return lookedUp(id, transaction!);
    },
    close: () => pool.end(),
  };
}

/** True if PostgreSQL refuses a statement, and is not just ending or starting (class 57). */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !error.code?.startsWith('57');
}
