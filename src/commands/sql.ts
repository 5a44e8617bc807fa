import { text } from 'node:stream/consumers';
import { type QueryResult, runQuery } from '../postgres/connection/query.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { UserError } from '../runtime/failure.ts';
import { numberOrText } from '../runtime/number-or-text.ts';
import { textTable } from '../runtime/text-table.ts';
import { withDatabase } from './connect/open-database.ts';
import { commandSettings } from './connect/tool-settings.ts';

export const command: Command = {
  summary: 'runs a query on PostgreSQL, for machines without psql',
  help: `
Usage: sql [--json] "SELECT …"

  --json    print one JSON object per row, one per line, instead of a table. Numbers are JSON numbers. NaN, Infinity, and
            a bigint or numeric with more digits than a JSON number can hold, are strings. All other values are strings,
            as PostgreSQL writes them

The query may also come from standard input: sql - < query.sql. Several statements, separated by semicolons, run in
one transaction. Exit code 1 if PostgreSQL refuses the query. Server: DATABASE_URL; if DATABASE_URL is not set, the server
of a running \`npm start\` of this clone.

  sql "SELECT consumer_name, messages_delivered, active FROM rule_nats_consumer_stats"
`,
  async run(args) {
    const { values, positionals } = parseFlags({
      args,
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false } },
    });
    const [given, ...more] = positionals;
    if (given === undefined || more.length > 0) {
      throw new UserError('sql takes one query, in quotes: sql "SELECT 1" (--help shows more)', {
        exitCode: 2,
      });
    }
    const query = given === '-' ? await text(process.stdin) : given;
    const results = await withDatabase(commandSettings().DATABASE_URL, (pool) =>
      runQuery(pool, query).catch((error) => {
        throw queryProblem(error, query);
      }),
    );
    for (const result of results) process.stdout.write(values.json ? asJsonLines(result) : asTable(result));
    return 0;
  },
};

function asTable({ columns, rows, command, rowCount }: QueryResult): string {
  if (columns.length === 0) return `${[command, rowCount].filter((word) => word !== null).join(' ')}\n`;
  const table = textTable(
    columns.map((name, index) => ({ name, align: isNumeric(rows, index) ? 'right' : 'left' })),
    rows,
  );
  return `${table}(${rows.length === 1 ? '1 row' : `${rows.length} rows`})\n`;
}

function isNumeric(rows: QueryResult['rows'], index: number): boolean {
  const values = rows.map((row) => row[index]).filter((value) => value != null);
  return values.length > 0 && values.every((value) => /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value!));
}

function asJsonLines({ columns, rows, numeric }: QueryResult): string {
  const cellOf = (row: (string | null)[], index: number) =>
    numeric[index] ? numberOrText(row[index] ?? null) : row[index];
  return rows
    .map(
      (row) =>
        `${JSON.stringify(Object.fromEntries(columns.map((name, index) => [name, cellOf(row, index)])))}\n`,
    )
    .join('');
}

/** Turns PostgreSQL's error about a query into one line. Returns every other error unchanged. */
function queryProblem(error: unknown, query: string): unknown {
  const { severity, code, message, position, detail, hint } = error as Record<string, string | undefined>;
  if (severity === undefined) return error;
  const where = position === undefined ? '' : `, ${placeIn(query, Number(position))}`;
  const more = [detail, hint].filter((sentence) => sentence !== undefined).join(' ');
  return new UserError(`${severity}: ${message} [${code}]${where}${more === '' ? '' : `. ${more}`}`, {
    cause: error,
  });
}

/** @param position the position in the query, in characters, from 1 */
function placeIn(query: string, position: number): string {
  const characters = [...query];
  const before = characters.slice(0, position - 1);
  const lineStart = before.lastIndexOf('\n') + 1;
  const line = before.filter((character) => character === '\n').length + 1;
  const near = characters
    .slice(position - 1, position + 19)
    .join('')
    .split('\n')[0]!;
  return `at line ${line}, column ${position - lineStart}, near "${near}"`;
}
