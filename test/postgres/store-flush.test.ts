import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Counters, mergeCounters, NO_COUNTERS } from '../../src/core/records/statistics.ts';
import { storedPayload } from '../../src/core/records/stored-payload.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { readConsumerStats } from '../../src/postgres/tables/consumer-stats-table.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { attemptOf, deadLetterOf, failedAttemptOf, flushOf } from './records.ts';

/** The progress of a group with so many pending messages. */
const progressOf = (pending: number) => ({ pending, streamCreatedAt: 1_700_000_000_000, ackFloor: 5 });

describe('storeFlush', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterAll(() => database.close());
  beforeEach(() =>
    database.pool.query(
      `TRUNCATE rule_nats_worker_instances, rule_nats_consumer_stats, rule_nats_delivery_attempts,
        rule_nats_publish_history`,
    ),
  );

  const count = async (table: string) =>
    Number((await database.pool.query(`SELECT count(*) FROM ${table}`)).rows[0].count);
  const consumers = () => readConsumerStats(database.pool, 'WEBHOOKS');

  it('stores a flush once, even if it is sent twice', async () => {
    const flush = flushOf({
      counters: { settled: 3 },
      attempts: [attemptOf()],
      deadLetters: [deadLetterOf()],
    });
    expect((await storeFlush(database.pool, flush)).result).toBe('stored');
    expect((await storeFlush(database.pool, flush)).result).toBe('alreadyStored');
    expect(await consumers()).toMatchObject([{ settled: 3 }]);
    expect(await count('rule_nats_delivery_attempts')).toBe(1);
    expect(await count('rule_nats_publish_history')).toBe(1);
  });

  it('stores a flush once, even if it is sent twice at the same time', async () => {
    const flush = flushOf({ counters: { settled: 3 } });
    const results = await Promise.all([storeFlush(database.pool, flush), storeFlush(database.pool, flush)]);
    expect(results.map(({ result }) => result).sort()).toEqual(['alreadyStored', 'stored']);
    expect(await consumers()).toMatchObject([{ settled: 3 }]);
  });

  it('adds up the flushes of two instances with one consumer name', async () => {
    const counters = { settled: 5, acknowledged: 4, retried: 1, attempts: 5, processingMs: 100 };
    await Promise.all(
      [1, 2].map(() => storeFlush(database.pool, flushOf({ counters, progress: progressOf(7) }))),
    );
    expect(await consumers()).toMatchObject([
      {
        settled: 10,
        acknowledged: 8,
        retried: 2,
        attempts: 10,
        pending: 7,
        avgProcessingMs: 20,
        active: true,
      },
    ]);
  });

  it('has no average before the first delivery', async () => {
    await storeFlush(database.pool, flushOf());
    await storeFlush(database.pool, flushOf());
    expect(await consumers()).toMatchObject([{ settled: 0, avgProcessingMs: null }]);
  });

  it('keeps the last number of pending messages if NATS did not answer', async () => {
    await storeFlush(database.pool, flushOf({ progress: progressOf(7) }));
    await storeFlush(database.pool, flushOf({ progress: null }));
    expect(await consumers()).toMatchObject([{ pending: 7 }]);
  });

  it('gives the same row, no matter how the counters are split over flushes and instances', async () => {
    const counters = fc.record(
      Object.fromEntries(Object.keys(NO_COUNTERS).map((key) => [key, fc.nat(1000)])),
    ) as unknown as fc.Arbitrary<Counters>;
    const instances = fc.array(fc.array(counters, { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(instances, async (split) => {
        const [together, apart] = [randomUUID(), randomUUID()];
        const whole = split.flat().reduce(mergeCounters);
        await storeFlush(database.pool, flushOf({ consumerName: together, counters: whole }));
        await Promise.all(
          split.map(async (flushes) => {
            const instanceId = randomUUID();
            for (const [index, part] of flushes.entries()) {
              const flush = flushOf({ instanceId, number: index + 1, consumerName: apart, counters: part });
              await storeFlush(database.pool, flush);
            }
          }),
        );
        const rows = await consumers();
        const rowOf = (name: string) => {
          const { consumerName, lastActiveAt, ...rest } = rows.find((row) => row.consumerName === name)!;
          return rest;
        };
        expect(rowOf(apart)).toEqual(rowOf(together));
      }),
      { numRuns: 25 },
    );
  });

  it('marks the row inactive with the last flush of its last instance', async () => {
    const [first, second] = [flushOf(), flushOf()];
    await storeFlush(database.pool, first);
    await storeFlush(database.pool, second);
    await storeFlush(database.pool, { ...first, number: 2, active: false });
    expect(await consumers()).toMatchObject([{ active: true }]);
    await storeFlush(database.pool, { ...second, number: 2, active: false });
    expect(await consumers()).toMatchObject([{ active: false }]);
  });

  it('marks the row inactive when its instances stop at the same time', async () => {
    const flushes = Array.from({ length: 6 }, () => flushOf());
    await Promise.all(flushes.map((flush) => storeFlush(database.pool, flush)));
    await Promise.all(
      flushes.map((flush) => storeFlush(database.pool, { ...flush, number: 2, active: false })),
    );
    expect(await consumers()).toMatchObject([{ active: false }]);
  });

  it('marks another worker inactive if that worker has not flushed for too long', async () => {
    await storeFlush(database.pool, flushOf({ consumerName: 'silent' }));
    await database.pool.query(
      `UPDATE rule_nats_worker_instances SET last_active_at = now() - interval '1 hour'`,
    );
    await storeFlush(database.pool, flushOf({ consumerName: 'peer' }));
    expect(await consumers()).toMatchObject([
      { consumerName: 'peer', active: true },
      { consumerName: 'silent', active: false },
    ]);
  });

  it('does not change the rows of reference workers', async () => {
    await database.pool.query(
      `INSERT INTO rule_nats_consumer_stats (stream_name, consumer_name, active) VALUES ('WEBHOOKS', 'foreign', true)`,
    );
    await storeFlush(database.pool, flushOf());
    expect(await consumers()).toMatchObject([{ consumerName: 'foreign', active: true }, {}]);
  });

  it('marks inactive workers active again, even if all of them flush at the same time', async () => {
    const flushes = Array.from({ length: 8 }, (_, index) => flushOf({ consumerName: `worker-${index}` }));
    for (const flush of flushes) await storeFlush(database.pool, flush);
    await database.pool.query(
      `UPDATE rule_nats_worker_instances SET last_active_at = now() - interval '1 hour'`,
    );
    await Promise.all(flushes.map((flush) => storeFlush(database.pool, { ...flush, number: 2 })));
    await storeFlush(database.pool, { ...flushes[0]!, number: 3 });
    await Promise.all(flushes.map((flush) => storeFlush(database.pool, { ...flush, number: 4 })));
    expect((await consumers()).map((row) => row.active)).toEqual(flushes.map(() => true));
  });

  it('stores NUL, lone surrogates, very long ids and numbers out of range without an error', async () => {
    const poison = `a\0b\ud800${'ü'.repeat(20_000)}`;
    const attempts = [
      failedAttemptOf({
        deliveryId: poison,
        error: poison,
        responseExcerpt: '\udfff"\\,{}\n',
        endpointKey: poison,
      }),
      attemptOf({ durationMs: Number.POSITIVE_INFINITY, attemptNumber: 1e12, status: -5, subject: poison }),
      attemptOf({ durationMs: Number.NaN, startedAt: Number.NaN, attemptNumber: -1, url: poison }),
      attemptOf({ startedAt: 8.64e15, nextAttemptAt: -1 }),
    ];
    const deadLetters = [
      deadLetterOf({ deliveryId: poison, error: poison, subject: poison, url: poison, sequence: 1e30 }),
      deadLetterOf({ attempts: Number.NaN, durationMs: 1e300, at: Number.NEGATIVE_INFINITY }),
    ];
    const counters = { delivered: Number.NaN, processingMs: Number.POSITIVE_INFINITY, acknowledged: 1e300 };
    const flush = flushOf({ attempts, deadLetters, counters, progress: progressOf(-1) });
    expect((await storeFlush(database.pool, flush)).result).toBe('stored');
    expect(await count('rule_nats_delivery_attempts')).toBe(4);
    expect(await count('rule_nats_publish_history')).toBe(2);
    const { rows } = await database.pool.query(
      `SELECT response_excerpt FROM rule_nats_delivery_attempts WHERE response_excerpt IS NOT NULL`,
    );
    expect(rows).toEqual([{ response_excerpt: '\ufffd"\\,{}\n' }]);
  });

  it('stores 25 000 attempts of several days in one flush', async () => {
    const day = 86_400_000;
    const attempts = Array.from({ length: 25_000 }, (_, index) =>
      attemptOf({ deliveryId: `bulk-${index}`, startedAt: Date.now() - (index % 3) * day }),
    );
    await storeFlush(database.pool, flushOf({ attempts }));
    expect(await count('rule_nats_delivery_attempts')).toBe(25_000);
  });

  it('creates the partition of a new day once, even if several workers need it at once', async () => {
    const startedAt = Date.UTC(2031, 4, 5);
    const results = await Promise.all(
      Array.from({ length: 8 }, () =>
        storeFlush(database.pool, flushOf({ attempts: [attemptOf({ startedAt })] })),
      ),
    );
    expect(results.map(({ result }) => result)).toEqual(results.map(() => 'stored'));
    expect(await count('rule_nats_delivery_attempts_20310505')).toBe(8);
  });

  it('stores any body as it is, without an error', async () => {
    const body = fc.oneof(
      fc.json().map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 200 }),
      fc
        .constantFrom('{"n":12345678901234567890, "a":1.0}', '[1e131073]', '"\\u0000\\ud800"', '[1e99]')
        .map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 20 }), async (bodies) => {
        const deadLetters = bodies.map((bytes) => deadLetterOf({ payload: storedPayload(bytes, 1000) }));
        expect((await storeFlush(database.pool, flushOf({ deadLetters }))).result).toBe('stored');
      }),
      { numRuns: 50 },
    );
  });

  it('keeps the numbers of a body as they are written', async () => {
    const payload = storedPayload(Buffer.from('{"n":12345678901234567890,"a":1.0}'), 1000);
    await storeFlush(database.pool, flushOf({ deadLetters: [deadLetterOf({ payload })] }));
    const { rows } = await database.pool.query(
      `SELECT payload -> 'data' ->> 'n' AS n, payload -> 'data' ->> 'a' AS a FROM nats_recent_failures`,
    );
    expect(rows).toEqual([{ n: '12345678901234567890', a: '1.0' }]);
  });

  it('stores no body if the record has none', async () => {
    await storeFlush(database.pool, flushOf({ deadLetters: [deadLetterOf()] }));
    const { rows } = await database.pool.query(
      'SELECT payload, error_message, message_id, success, triggered_by FROM rule_nats_publish_history',
    );
    expect(rows).toEqual([
      {
        payload: {
          delivery_id: 'delivery-1',
          reason: 'exhausted',
          attempts: 7,
          url: 'https://example.com/hook',
          endpoint_key: 'example.com-0a1b2c3d',
          webhook_id: null,
        },
        error_message: 'exhausted: HTTP 503',
        message_id: 'delivery-1',
        success: false,
        triggered_by: 'nats-webhook-worker',
      },
    ]);
  });
});
