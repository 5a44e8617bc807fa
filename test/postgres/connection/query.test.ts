import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runQuery } from '../../../src/postgres/connection/query.ts';
import { openDatabase, type TestDatabase } from '../database.ts';

describe('runQuery', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
  });
  afterAll(() => database.close());

  it('returns values as PostgreSQL writes them', async () => {
    const sql = `SELECT 12345678901234567890 AS n, 1.50 AS price, '{"b": 1}'::jsonb AS doc, NULL AS nothing`;
    expect(await runQuery(database.pool, sql)).toEqual([
      {
        columns: ['n', 'price', 'doc', 'nothing'],
        numeric: [true, true, false, false],
        rows: [['12345678901234567890', '1.50', '{"b": 1}', null]],
        command: 'SELECT',
        rowCount: 1,
      },
    ]);
  });

  it('keeps columns of the same name apart', async () => {
    const [result] = await runQuery(database.pool, 'SELECT 1 AS a, 2 AS a');
    expect(result).toMatchObject({ columns: ['a', 'a'], rows: [['1', '2']] });
  });

  it('returns one result per statement', async () => {
    const results = await runQuery(
      database.pool,
      'CREATE TABLE things (n int); INSERT INTO things VALUES (1), (2); SELECT n FROM things ORDER BY n',
    );
    expect(results).toEqual([
      { columns: [], numeric: [], rows: [], command: 'CREATE', rowCount: null },
      { columns: [], numeric: [], rows: [], command: 'INSERT', rowCount: 2 },
      { columns: ['n'], numeric: [true], rows: [['1'], ['2']], command: 'SELECT', rowCount: 2 },
    ]);
  });
});
