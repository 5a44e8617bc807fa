import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../../src/postgres/migrate.ts';
import { storeFlush } from '../../../src/postgres/store-flush.ts';
import { readProgress } from '../../../src/postgres/tables/group-progress-table.ts';
import { openDatabase, type TestDatabase } from '../database.ts';
import { flushOf } from '../records.ts';

const CREATED_AT = 1_700_000_000_123;

describe('the progress of a group', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterAll(() => database.close());
  beforeEach(() => database.pool.query('TRUNCATE rule_nats_group_progress'));

  const store = (ackFloor: number, streamCreatedAt = CREATED_AT) =>
    storeFlush(database.pool, flushOf({ progress: { pending: 0, streamCreatedAt, ackFloor } }));
  const progress = () => readProgress(database.pool, flushOf().streamName, flushOf().queueGroup);

  it('is not known before the first flush', async () => {
    expect(await progress()).toBeNull();
  });

  it('is stored by every flush, with the creation time of the stream to the millisecond', async () => {
    await store(7);
    expect(await progress()).toEqual({ streamCreatedAt: CREATED_AT, ackFloor: 7 });
  });

  it('never goes back, even if flushes of several workers come in another order', async () => {
    await store(9);
    await store(7);
    expect(await progress()).toMatchObject({ ackFloor: 9 });
  });

  it('starts again with a recreated stream, and ignores the old stream', async () => {
    await store(9);
    await store(2, CREATED_AT + 1000);
    await store(100);
    expect(await progress()).toEqual({ streamCreatedAt: CREATED_AT + 1000, ackFloor: 2 });
  });
});
