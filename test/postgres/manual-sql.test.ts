import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { blocksOf, PAGES } from '../program/manual.ts';
import { openDatabase, type TestDatabase } from './database.ts';

/** These make roles, which are the whole server's: test/program/postgres-grants.test.ts runs them. */
const MAKES_ROLES = /CREATE ROLE/;
const blocks = PAGES.flatMap((page) =>
  blocksOf(page, 'sql')
    .filter((sql) => !MAKES_ROLES.test(sql))
    .map((sql): [page: string, sql: string] => [page, sql]),
);

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
afterAll(() => database.close());

it.each(blocks)('PostgreSQL takes the SQL of %s: %s', async (_page, sql) => {
  await expect(database.pool.query(sql)).resolves.toBeDefined();
});

it('finds the blocks', () => {
  expect(blocks.length).toBeGreaterThan(6);
});
