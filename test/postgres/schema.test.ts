import { expect, it } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { openDatabase } from './database.ts';
import { describeSchema } from './schema.ts';

it('sql/schema.sql is the schema that the migrations create', async () => {
  const database = await openDatabase();
  await migrate(database.pool, database);
  await expect(await describeSchema(database.pool)).toMatchFileSnapshot('../../sql/schema.sql');
  await database.close();
});
