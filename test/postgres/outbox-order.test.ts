import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OrderedQueue } from '../../src/outbox/ordered-queue.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { createOutboxStore } from '../../src/postgres/outbox-store.ts';
import { openDatabase, type TestDatabase } from './database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
beforeEach(() => database.pool.query('DELETE FROM rule_nats_outbox'));
afterAll(() => database.close());

const ENQUEUE = 'SELECT webhook_enqueue($1, $2, ordering_key => $3)';

/** The queue of a relay on the real table, and the data of the rows in the order in which it publishes them. */
function openQueue() {
  const published: string[] = [];
  const store = createOutboxStore({ pool: database.pool, history: 'off', onUnconfirmed: () => {} });
  const queue = new OrderedQueue(
    store,
    async (rows) =>
      rows.map(({ data }, index) => {
        published.push(JSON.parse(data));
        return { kind: 'published', subject: 'a', sequence: index + 1, duplicate: false, latencyMs: 0 };
      }),
    { leaveOutOfOrdered: () => ({ envelopeLike: false, headersOfData: false, names: [] }) },
  );
  const look = async (isFull: boolean) => {
    published.length = 0;
    await queue.settleBatch({
      most: Number.POSITIVE_INFINITY,
      begin: () => ({ isFull, onClaimed: () => {} }),
      mayGoAhead: () => false,
    });
    return [...published];
  };
  return { look };
}

/** Another key whose rows have the bucket of this one. */
async function neighbourOf(key: string): Promise<string> {
  const { rows } = await database.pool.query(
    `SELECT 'key ' || n AS key FROM generate_series(1, 10000) AS n
     WHERE get_byte(sha256(convert_to('key ' || n, 'UTF8')), 0) & 63 = get_byte(sha256(convert_to($1, 'UTF8')), 0) & 63
     LIMIT 1`,
    [key],
  );
  return rows[0].key;
}

describe('rows of one ordering key', () => {
  it('are published in order, although the first one commits after a later row of another key was published', async () => {
    const { look } = openQueue();
    const neighbour = await neighbourOf('invoice');
    const slow = await database.pool.connect();
    await slow.query('BEGIN');
    await slow.query(ENQUEUE, ['a', '"first"', 'invoice']);
    await database.pool.query(ENQUEUE, ['a', '"neighbour"', neighbour]);
    expect(await look(true)).toEqual(['neighbour']);
    await slow.query('COMMIT');
    slow.release();
    // The writer has waited for the commit of the first one.
    await database.pool.query(ENQUEUE, ['a', '"second"', 'invoice']);
    expect(await look(false)).toEqual(['first', 'second']);
  });

  it('a look at new rows only leaves alone a bucket that has none', async () => {
    const { look } = openQueue();
    await database.pool.query(ENQUEUE, ['a', '"one"', 'invoice']);
    expect(await look(true)).toEqual(['one']);
    expect(await look(false)).toEqual([]);
    await database.pool.query(ENQUEUE, ['a', '"two"', 'invoice']);
    expect(await look(false)).toEqual(['two']);
  });
});
