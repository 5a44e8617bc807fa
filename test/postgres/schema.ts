import type pg from 'pg';

/**
 * The schema as text. It is read from the catalog, not from pg_dump, so that it is the same with every version of PostgreSQL.
 * A view is shown by its columns, because each version formats the definition differently.
 */
export async function describeSchema(pool: pg.Pool): Promise<string> {
  const { rows: relations } = await pool.query(`
    SELECT oid, relname AS name, relkind AS kind, obj_description(oid, 'pg_class') AS comment,
      CASE WHEN relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(oid) ELSE '' END AS partitioned
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
    ORDER BY relkind = 'v', relname COLLATE "C"`);
  const parts = await Promise.all(
    relations.map((relation) =>
      relation.kind === 'v' ? viewText(pool, relation) : tableText(pool, relation),
    ),
  );
  const { rows: functions } = await pool.query(`
    SELECT oid::regprocedure::text AS name, obj_description(oid, 'pg_proc') AS comment
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname COLLATE "C"`);
  for (const { name, comment } of functions) parts.push(`-- ${comment}\n-- FUNCTION ${name}`);
  const header =
    '-- What sql/migrations make, for reading. Generated: npx vitest run test/postgres/schema.test.ts -u';
  return `${[header, ...parts].join('\n\n')}\n`;
}

type Relation = { oid: number; name: string; comment: string | null; partitioned: string };

async function tableText(pool: pg.Pool, relation: Relation): Promise<string> {
  const columns = await columnsOf(pool, relation);
  const constraints = await linesOf(
    pool,
    `SELECT 'CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid) AS line
     FROM pg_constraint WHERE conrelid = $1 AND contype <> 'n' ORDER BY contype DESC, conname COLLATE "C"`,
    relation,
  );
  const indexes = await linesOf(
    pool,
    `SELECT pg_get_indexdef(indexrelid) || ';' AS line FROM pg_index
     WHERE indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')
     ORDER BY 1`,
    relation,
  );
  const triggers = await linesOf(
    pool,
    `SELECT pg_get_triggerdef(oid) || ';' AS line FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal ORDER BY 1`,
    relation,
  );
  const body = [...columns, ...constraints].map((line) => `  ${line}`).join(',\n');
  const table = `CREATE TABLE ${relation.name} (\n${body}\n)${relation.partitioned};`;
  return [...commentOf(relation), table, ...indexes, ...triggers].join('\n');
}

async function viewText(pool: pg.Pool, relation: Relation): Promise<string> {
  const columns = (await columnsOf(pool, relation)).map((line) => `--   ${line}`);
  return [...commentOf(relation), `-- VIEW ${relation.name}`, ...columns].join('\n');
}

function columnsOf(pool: pg.Pool, relation: Relation): Promise<string[]> {
  return linesOf(
    pool,
    `SELECT quote_ident(attname) || ' ' || format_type(atttypid, atttypmod)
       || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
       || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '') AS line
     FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    relation,
  );
}

async function linesOf(pool: pg.Pool, sql: string, relation: Relation): Promise<string[]> {
  return (await pool.query(sql, [relation.oid])).rows.map((row) => row.line);
}

function commentOf({ comment }: Relation): string[] {
  return comment === null ? [] : [`-- ${comment}`];
}
