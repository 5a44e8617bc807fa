import type pg from 'pg';
import { describeConnectError } from '../postgres/connection/connect-problem.ts';
import { migrate, readMigrations } from '../postgres/migrate.ts';
import { migrationScript, readApplied } from '../postgres/tables/migrations-table.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { errorCode, UserError } from '../runtime/failure.ts';
import { createLogger } from '../runtime/logger.ts';
import { textTable } from '../runtime/text-table.ts';
import { withDatabase } from './connect/open-database.ts';
import { commandSettings } from './connect/tool-settings.ts';

export const command: Command = {
  summary: 'creates the tables and views in PostgreSQL',
  help: `
Usage: migrate [--status | --sql]

  --sql       print the schema as a script for psql, and change nothing. It needs no database. The script does what this
              command does, for a database in which no migration was applied before
  --status    list the migrations, and whether each is applied; change nothing; exit code 1 if a migration is not applied

Workers apply the migrations themselves when they start. Use this command if the role of the workers may not change the
database. It is safe to run this command at any time, also several times at once. Server: DATABASE_URL; if DATABASE_URL is
not set, the server of a running \`npm start\` of this clone.

  migrate --sql | psql "$DATABASE_URL"
`,
  async run(args) {
    const { values } = parseFlags({
      args,
      options: { status: { type: 'boolean', default: false }, sql: { type: 'boolean', default: false } },
    });
    if (values.sql) {
      if (values.status) throw new UserError('Give --sql or --status, not both.', { exitCode: 2 });
      process.stdout.write(migrationScript(await readMigrations()));
      return 0;
    }
    const { DATABASE_URL } = commandSettings();
    return withDatabase(DATABASE_URL, values.status ? printStatus : applyAll).catch((error) => {
      // If PostgreSQL refuses a statement, the cause is in the database, not a bug of this program.
      throw error instanceof UserError || errorCode(error) === undefined
        ? error
        : new UserError(describeConnectError(error, DATABASE_URL), { cause: error });
    });
  },
};

async function applyAll(pool: pg.Pool): Promise<number> {
  const { applied } = await migrate(pool, { log: await createLogger({ level: 'silent', format: 'json' }) });
  const lines = applied.map((name) => `applied ${name}`);
  if (lines.length === 0) lines.push('nothing to do: every migration was applied before');
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

async function printStatus(pool: pg.Pool): Promise<number> {
  const [migrations, applied] = [await readMigrations(), await readApplied(pool)];
  const ours = migrations.map(({ name, checksum }) => {
    const known = applied.get(name);
    return [
      name,
      known === undefined ? 'missing' : known === checksum ? 'applied' : 'applied with other contents',
    ];
  });
  const names = new Set(migrations.map(({ name }) => name));
  const others = [...applied.keys()].filter((name) => !names.has(name));
  const rows = [...ours, ...others.map((name) => [name, "applied by another version's worker"])];
  process.stdout.write(textTable([{ name: 'migration' }, { name: 'status' }], rows));
  return ours.every(([, status]) => status === 'applied') ? 0 : 1;
}
