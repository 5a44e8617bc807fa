import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../../src/postgres/migrate.ts';
import { storeFlush } from '../../../src/postgres/store-flush.ts';
import { readProgress } from '../../../src/postgres/tables/group-progress-table.ts';
import { openDatabase, type TestDatabase } from '../database.ts';
import { flushOf } from '../records.ts';

const MADE = 1_700_000_000_123;

describe('the progress of a group', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterAll(() => database.close());
  beforeEach(() => database.pool.query('TRUNCATE rule_nats_group_progress'));

  const note = (ackFloor: number, streamCreatedAt = MADE) =>
    storeFlush(database.pool, flushOf({ progress: { pending: 0, streamCreatedAt, ackFloor } }));
  const progress = () => readProgress(database.pool, flushOf().streamName, flushOf().queueGroup);

  it('is not known before the first flush', async () => {
    expect(await progress()).toBeNull();
  });

  it('is noted by every flush, to the millisecond of its stream', async () => {
    await note(7);
    expect(await progress()).toEqual({ streamCreatedAt: MADE, ackFloor: 7 });
  });

  it('never goes back when flushes of several workers come in another order', async () => {
    await note(9);
    await note(7);
    expect(await progress()).toMatchObject({ ackFloor: 9 });
  });

  it('starts again with a stream that was made again, and forgets the old one', async () => {
    await note(9);
    await note(2, MADE + 1000);
    await note(100);
    expect(await progress()).toEqual({ streamCreatedAt: MADE + 1000, ackFloor: 2 });
  });
});
