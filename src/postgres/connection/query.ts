import type pg from 'pg';

export type QueryResult = {
  readonly columns: string[];
  /** For each column: true if its type is a number. */
  readonly numeric: boolean[];
  /** The values as PostgreSQL writes them, so that nothing is lost: numbers, times and JSON are text. */
  readonly rows: (string | null)[][];
  /** SELECT, UPDATE, … */
  readonly command: string;
  /** Null for commands that do not count rows. */
  readonly rowCount: number | null;
};

/** smallint, integer, bigint, oid, real, double precision, numeric. */
const NUMBER_TYPES = new Set([21, 23, 20, 26, 700, 701, 1700]);

/** Runs one or more statements, separated by semicolons, in one transaction. Returns one result per statement. */
export async function runQuery(pool: pg.Pool, sql: string): Promise<QueryResult[]> {
  const answer: pg.QueryArrayResult | pg.QueryArrayResult[] = await pool.query({
    text: sql,
    rowMode: 'array',
    types: { getTypeParser: () => (value: string) => value },
  });
  return [answer].flat().map((result) => ({
    columns: result.fields.map((field) => field.name),
    numeric: result.fields.map((field) => NUMBER_TYPES.has(field.dataTypeID)),
    rows: result.rows,
    command: result.command,
    rowCount: result.rowCount,
  }));
}
