import type pg from 'pg';

export type QueryResult = {
  readonly columns: string[];
  /** As PostgreSQL writes the values, so that nothing is lost on the way: numbers, times and JSON are text. */
  readonly rows: (string | null)[][];
  /** SELECT, UPDATE, … */
  readonly command: string;
  /** Null for commands that count nothing. */
  readonly rowCount: number | null;
};

/** Runs one or more statements, separated by semicolons, in one transaction; a result for each of them. */
export async function runQuery(pool: pg.Pool, sql: string): Promise<QueryResult[]> {
  const answer: pg.QueryArrayResult | pg.QueryArrayResult[] = await pool.query({
    text: sql,
    rowMode: 'array',
    types: { getTypeParser: () => (value: string) => value },
  });
  return [answer].flat().map((result) => ({
    columns: result.fields.map((field) => field.name),
    rows: result.rows,
    command: result.command,
    rowCount: result.rowCount,
  }));
}
