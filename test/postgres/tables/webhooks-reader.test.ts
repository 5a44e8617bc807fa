import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RowsFollower } from '../../../src/delivery/registry/rows-follower.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { WebhooksReader } from '../../../src/postgres/tables/webhooks-reader.ts';
import { noteFailing } from '../../../src/postgres/tables/webhooks-table.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
afterAll(() => database.close());

const run = (sql: string) => database.pool.query(sql);

/** Follows the rows by comparisons alone, and records what each of them read. */
async function follow(db: Pick<TestDatabase, 'pool'> = database) {
  const known = new Map<number, string>();
  const read: string[] = [];
  const failures: string[] = [];
  const follower = new RowsFollower({
    store: new WebhooksReader(db.pool),
    clock: systemClock,
    onRows(changed, deleted) {
      for (const { id, name } of changed) known.set(id, name);
      for (const id of deleted) known.delete(id);
      read.push(...changed.map(({ name }) => name), ...deleted.map((id) => `-${id}`));
    },
    onRead: () => {},
    onFailed: (error) => failures.push(error),
  });
  await follower.follow('all');
  return {
    known,
    follower,
    /** What a comparison reads. */
    async compare(): Promise<string[]> {
      read.length = 0;
      await follower.follow('all');
      expect(failures).toEqual([]);
      return read.toSorted();
    },
  };
}

describe('a comparison of the rows of rule_webhooks', () => {
  beforeEach(async () => {
    await run(`TRUNCATE rule_webhooks RESTART IDENTITY CASCADE;
      INSERT INTO rule_webhooks (webhook_name, url) SELECT 'n' || n, 'https://host.test' FROM generate_series(1, 10) n;
      INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value)
        VALUES (4, 'signing_secret', 'whsec_aa'), (5, 'api_key', 'x')`);
  });

  it.each<[string, string, string[]]>([
    ['nothing', 'SELECT 1', []],
    [
      'a new row',
      `INSERT INTO rule_webhooks (webhook_name, url) VALUES ('new', 'https://host.test')`,
      ['new'],
    ],
    ['a changed row', `UPDATE rule_webhooks SET url = 'https://other.test' WHERE webhook_id = 3`, ['n3']],
    ['a deleted row', 'DELETE FROM rule_webhooks WHERE webhook_id = 3', ['-3']],
    ['a row with another id', 'UPDATE rule_webhooks SET webhook_id = 77 WHERE webhook_id = 3', ['-3', 'n3']],
    [
      'a row in the place of another',
      `DELETE FROM rule_webhooks WHERE webhook_id = 3;
       INSERT INTO rule_webhooks (webhook_id, webhook_name, url) VALUES (3, 'other', 'https://host.test')`,
      ['other'],
    ],
    [
      'a new secret',
      `INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value) VALUES (6, 'signing_secret', 'whsec_bb')`,
      ['n6'],
    ],
    [
      'a changed secret',
      `UPDATE rule_webhook_secrets SET secret_value = 'whsec_cc' WHERE webhook_id = 4`,
      ['n4'],
    ],
    ['a deleted secret', 'DELETE FROM rule_webhook_secrets', ['n4']],
    [
      'a secret that signs no more',
      `UPDATE rule_webhook_secrets SET secret_name = 'old' WHERE webhook_id = 4`,
      ['n4'],
    ],
    [
      'a secret of another program',
      `UPDATE rule_webhook_secrets SET secret_value = 'y' WHERE webhook_id = 5`,
      [],
    ],
    [
      'a row that changed and changed back',
      `UPDATE rule_webhooks SET paused = true WHERE webhook_id = 3;
      UPDATE rule_webhooks SET paused = false WHERE webhook_id = 3`,
      ['n3'],
    ],
    ['frozen rows', 'VACUUM (FREEZE) rule_webhooks', []],
    ['a rewritten table', 'VACUUM (FULL, FREEZE) rule_webhooks', []],
    ['rows that another transaction has locked', 'SELECT FROM rule_webhooks FOR UPDATE', []],
  ])('reads what changed, and nothing else: %s', async (_, sql, expected) => {
    const { compare } = await follow();
    await run(sql);
    expect(await compare()).toEqual(expected);
    expect(await compare()).toEqual([]);
  });

  it('finds the changes of a transaction that began long before other changes, and commits after them', async () => {
    const { compare } = await follow();
    const late = await database.pool.connect();
    try {
      await late.query(`BEGIN; UPDATE rule_webhooks SET url = 'https://late.test' WHERE webhook_id = 1;
        INSERT INTO rule_webhooks (webhook_name, url) VALUES ('late', 'https://late.test')`);
      await run(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('later', 'https://host.test')`);
      expect(await compare()).toEqual(['later']);
      await noteFailing(database.pool, 2, Date.UTC(2026, 0, 1));
      expect(await compare()).toEqual(['n2']);
      await late.query('COMMIT');
    } finally {
      late.release();
    }
    expect(await compare()).toEqual(['late', 'n1']);
  });

  it('reads all rows again if a column is added: its default changes rows without a transaction number', async () => {
    const other = await openDatabase();
    await migrate(other.pool, other);
    await other.pool.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('a', 'https://a.test');
      ALTER TABLE rule_webhooks DROP COLUMN hub_signature`);
    const { compare } = await follow(other);
    await other.pool.query('ALTER TABLE rule_webhooks ADD COLUMN hub_signature boolean DEFAULT true');
    expect(await compare()).toEqual(['a']);
    expect(await compare()).toEqual([]);
    await other.close();
  });

  it('reads a row although a column was dropped since the last comparison', async () => {
    const other = await openDatabase();
    await migrate(other.pool, other);
    await other.pool.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('a', 'https://a.test')`);
    const { follower, known } = await follow(other);
    await other.pool.query(
      `ALTER TABLE rule_webhooks DROP COLUMN rate_limit; UPDATE rule_webhooks SET webhook_name = 'b'`,
    );
    await follower.follow([1]);
    expect([...known.values()]).toEqual(['b']);
    await other.close();
  });

  it('works with ids of any size, and far apart', async () => {
    const other = await openDatabase();
    await other.pool.query(`
      CREATE TABLE rule_webhooks (webhook_id bigint PRIMARY KEY, webhook_name text, url text);
      CREATE TABLE rule_webhook_secrets (secret_id bigint, webhook_id bigint, secret_name text, secret_value text, created_at timestamptz);
      INSERT INTO rule_webhooks SELECT n, 'n' || n, 'https://a.test'
        FROM unnest('{-5000000000,-1,0,1,2147483648,5000000000,9007199254740991}'::bigint[]) n;
      INSERT INTO rule_webhook_secrets SELECT 1, 5000000000, 'signing_secret', 'whsec_aa', now()`);
    const { known, compare } = await follow(other);
    expect([...known.keys()].sort((a, b) => a - b)).toEqual([
      -5_000_000_000, -1, 0, 1, 2_147_483_648, 5_000_000_000, 9_007_199_254_740_991,
    ]);
    expect(await compare()).toEqual([]);
    await other.pool.query(
      `UPDATE rule_webhooks SET url = 'https://b.test' WHERE webhook_id < 0 OR webhook_id > 2147483648`,
    );
    expect(await compare()).toEqual(['n-1', 'n-5000000000', 'n5000000000', 'n9007199254740991']);
    await other.close();
  });

  it('finds one change among thousands of rows, and a bulk change', async () => {
    await run(`INSERT INTO rule_webhooks (webhook_name, url) SELECT 'more' || n, 'https://host.test' FROM generate_series(1, 6000) n;
      INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value)
        SELECT webhook_id, 'signing_secret_2', 'whsec_bb' FROM rule_webhooks`);
    const { known, compare } = await follow();
    expect(known.size).toBe(6010);
    await run(`UPDATE rule_webhooks SET paused = true WHERE webhook_name = 'more4711'`);
    expect(await compare()).toEqual(['more4711']);
    await run('UPDATE rule_webhooks SET paused = true');
    expect(await compare()).toHaveLength(6010);
    await run('TRUNCATE rule_webhooks CASCADE');
    expect(await compare()).toHaveLength(6010);
    expect(known.size).toBe(0);
  });
});
