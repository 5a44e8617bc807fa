import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { blocksOf, PAGES } from '../program/manual.ts';
import { openDatabase, type TestDatabase } from './database.ts';

/** Blocks that create roles. Roles belong to the whole server, so test/program/postgres-grants.test.ts runs these blocks. */
const CREATES_ROLES = /CREATE ROLE/;
const blocks = PAGES.flatMap((page) =>
  blocksOf(page, 'sql')
    .filter((sql) => !CREATES_ROLES.test(sql))
    .map((sql): [page: string, sql: string] => [page, sql]),
);

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
afterAll(() => database.close());

it.each(blocks)('PostgreSQL accepts the SQL in %s: %s', async (_page, sql) => {
  await expect(database.pool.query(sql)).resolves.toBeDefined();
});

it('the manual has more than 6 such blocks', () => {
  expect(blocks.length).toBeGreaterThan(6);
});
