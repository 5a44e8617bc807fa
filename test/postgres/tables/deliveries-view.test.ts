import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../../src/postgres/migrate.ts';
import { storeFlush } from '../../../src/postgres/store-flush.ts';
import { openDatabase, type TestDatabase } from '../database.ts';
import { attemptOf, deadLetterOf, failedAttemptOf, flushOf } from '../records.ts';

describe('nats_deliveries', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterAll(() => database.close());
  beforeEach(() => database.pool.query('TRUNCATE rule_nats_delivery_attempts, rule_nats_publish_history'));

  const start = Date.now() - 60_000;
  const deliveries = async () => (await database.pool.query('SELECT * FROM nats_deliveries')).rows;
  const failed = (attemptNumber: number) =>
    failedAttemptOf({ attemptNumber, startedAt: start + attemptNumber * 1000 });

  it('shows a failed webhook as retrying, with the time of its next attempt', async () => {
    const nextAttemptAt = start + 9000;
    const attempts = [failed(1), { ...failed(2), nextAttemptAt }];
    await storeFlush(database.pool, flushOf({ attempts }));
    expect(await deliveries()).toEqual([
      {
        delivery_id: 'delivery-1',
        subject: 'webhooks.orders',
        endpoint: 'example.com-0a1b2c3d',
        url: 'https://example.com/hook',
        status: 'retrying',
        attempts: 2,
        last_status: 503,
        last_error: 'HTTP 503',
        dead_letter_reason: null,
        next_retry_at: new Date(nextAttemptAt),
        first_attempt_at: new Date(start + 1000),
        completed_at: null,
        webhook_id: null,
        event_type: null,
        event_id: null,
        webhook_name: 'orders',
      },
    ]);
  });

  it('shows what a webhook is about, also of an ordered one, also if one worker did not write it', async () => {
    const about = { eventType: 'order.paid', eventId: 'evt_1', webhookName: 'orders' };
    const parts = { subject: 'webhooks.ordered.customer-17', startedAt: start };
    const attempts = [failed(1), { ...attemptOf({ ...parts, attemptNumber: 2 }), ...about }];
    const deadLetters = [deadLetterOf({ ...parts, ...about, deliveryId: 'delivery-2', at: start })];
    await storeFlush(database.pool, flushOf({ attempts, deadLetters }));
    const expected = { event_type: 'order.paid', event_id: 'evt_1' };
    const found = (await deliveries()) as { delivery_id: string }[];
    found.sort((one, other) => one.delivery_id.localeCompare(other.delivery_id));
    expect(found).toMatchObject([
      { delivery_id: 'delivery-1', ...expected },
      { delivery_id: 'delivery-2', ...expected, webhook_name: 'orders', status: 'dead-lettered' },
    ]);
  });

  it('shows a delivered webhook as delivered, with its last error', async () => {
    const attempts = [failed(1), attemptOf({ attemptNumber: 2, startedAt: start + 2000, durationMs: 500 })];
    await storeFlush(database.pool, flushOf({ attempts }));
    expect(await deliveries()).toMatchObject([
      {
        status: 'delivered',
        attempts: 2,
        last_status: 200,
        last_error: 'HTTP 503',
        next_retry_at: null,
        completed_at: new Date(start + 2500),
      },
    ]);
  });

  it('shows a message that no row accepts as discarded, and does not count it as an error', async () => {
    const discarded = attemptOf({
      attemptNumber: 0,
      url: null,
      method: null,
      outcome: 'filtered',
      status: null,
      error: 'the message has no event type',
      verdict: 'discard',
      startedAt: start,
    });
    await storeFlush(database.pool, flushOf({ attempts: [discarded] }));
    expect(await deliveries()).toMatchObject([
      {
        status: 'discarded',
        attempts: 0,
        url: null,
        last_error: 'the message has no event type',
        completed_at: new Date(start + 12.5),
      },
    ]);
    expect((await database.pool.query('SELECT * FROM nats_error_patterns')).rows).toEqual([]);
  });

  it('shows one row per endpoint of a webhook with several endpoints', async () => {
    const [one, two] = ['one-00000001', 'two-00000002'];
    const attempts = [
      attemptOf({ endpointKey: one, startedAt: start }),
      { ...failed(1), endpointKey: two },
      { ...failed(2), endpointKey: two, verdict: 'deadLetter' as const },
    ];
    const deadLetters = [two, 'three-00000003'].map((endpointKey) =>
      deadLetterOf({ endpointKey, attempts: 2 }),
    );
    await storeFlush(database.pool, flushOf({ attempts, deadLetters }));
    const shown = (await deliveries()).map(({ endpoint, status, attempts: made }) => [
      endpoint,
      status,
      made,
    ]);
    expect(shown.sort()).toEqual([
      [one, 'delivered', 1],
      ['three-00000003', 'dead-lettered', 2],
      [two, 'dead-lettered', 2],
    ]);
  });

  it('shows one row for an endpoint that was renamed between two attempts', async () => {
    const attempts = [
      { ...failed(1), endpointKey: 'before-0a1b2c3d' },
      attemptOf({ endpointKey: 'after-0a1b2c3d', attemptNumber: 2, startedAt: start + 2000 }),
    ];
    await storeFlush(database.pool, flushOf({ attempts }));
    expect(await deliveries()).toMatchObject([
      { endpoint: 'after-0a1b2c3d', status: 'delivered', attempts: 2 },
    ]);
  });

  describe('of two rows whose keys have the same digits', () => {
    const [one, two] = [
      { endpointKey: 'one-ffc064f7', webhookId: 4978 },
      { endpointKey: 'two-ffc064f7', webhookId: 16_399 },
    ];
    const older = (endpointKey: string) => ({ ...failed(1), endpointKey });
    const shown = async () =>
      (await deliveries())
        .map((row) => [row.webhook_id, row.endpoint, row.status, row.attempts].join(' '))
        .sort();

    it('shows one row for each', async () => {
      const attempts = [
        { ...failed(1), ...one },
        { ...failed(1), ...two },
        attemptOf({ ...one, attemptNumber: 2, startedAt: start + 2000 }),
        { ...failed(2), ...two, verdict: 'deadLetter' as const },
      ];
      await storeFlush(database.pool, flushOf({ attempts, deadLetters: [deadLetterOf(two)] }));
      expect(await shown()).toEqual(['16399 two-ffc064f7 dead-lettered 2', '4978 one-ffc064f7 delivered 2']);
    });

    it('shows the dead letter of one that nothing was sent to, also if it has the key that the other had', async () => {
      const attempts = [{ ...failed(1), ...one, verdict: 'deadLetter' as const }];
      const deadLetters = [
        deadLetterOf(one),
        deadLetterOf({ ...two, endpointKey: one.endpointKey, attempts: 0 }),
      ];
      await storeFlush(database.pool, flushOf({ attempts, deadLetters }));
      expect(await shown()).toEqual([
        '16399 one-ffc064f7 dead-lettered 0',
        '4978 one-ffc064f7 dead-lettered 1',
      ]);
    });

    it('adds an attempt of an older worker to the row with the same key', async () => {
      const attempts = [
        older(one.endpointKey),
        older(two.endpointKey),
        ...[one, two].map((row) => attemptOf({ ...row, attemptNumber: 2, startedAt: start + 2000 })),
      ];
      await storeFlush(database.pool, flushOf({ attempts }));
      expect(await shown()).toEqual(['16399 two-ffc064f7 delivered 2', '4978 one-ffc064f7 delivered 2']);
    });

    it.each([
      ['one-ffc064f7', 'of one that was renamed'],
      ['one-ffc064f7-id16399', 'of one that had the same key as the other'],
    ])('adds an attempt of an older worker to the only row with these digits, here %s, %s', async (endpointKey) => {
      const attempts = [
        older('before-ffc064f7'),
        attemptOf({ endpointKey, webhookId: 16_399, attemptNumber: 2, startedAt: start + 2000 }),
      ];
      await storeFlush(database.pool, flushOf({ attempts }));
      expect(await shown()).toEqual([`16399 ${endpointKey} delivered 2`]);
    });

    it('adds an attempt of an older worker to neither if both may be meant', async () => {
      const attempts = [
        older('before-ffc064f7'),
        ...[one, two].map((row) => attemptOf({ ...row, attemptNumber: 2, startedAt: start + 2000 })),
      ];
      await storeFlush(database.pool, flushOf({ attempts }));
      expect(await shown()).toEqual([
        ' before-ffc064f7 retrying 1',
        '16399 two-ffc064f7 delivered 2',
        '4978 one-ffc064f7 delivered 2',
      ]);
    });
  });

  it('shows the same if the flush with the first attempt comes last', async () => {
    const second = attemptOf({ attemptNumber: 2, startedAt: start + 2000 });
    await storeFlush(database.pool, flushOf({ attempts: [second] }));
    await storeFlush(database.pool, flushOf({ attempts: [failed(1)] }));
    expect(await deliveries()).toMatchObject([{ status: 'delivered', attempts: 2 }]);
  });

  it('shows a dead-lettered webhook once', async () => {
    const last = { ...failed(7), verdict: 'deadLetter' as const, deadLetterReason: 'exhausted' as const };
    const flush = flushOf({ attempts: [{ ...last, nextAttemptAt: null }], deadLetters: [deadLetterOf()] });
    await storeFlush(database.pool, flush);
    expect(await deliveries()).toMatchObject([
      { status: 'dead-lettered', attempts: 7, dead_letter_reason: 'exhausted', next_retry_at: null },
    ]);
  });

  it('counts a dead-lettered webhook once in nats_error_patterns', async () => {
    const last = { ...failed(7), verdict: 'deadLetter' as const, deadLetterReason: 'exhausted' as const };
    await storeFlush(database.pool, flushOf({ attempts: [last], deadLetters: [deadLetterOf()] }));
    const { rows } = await database.pool.query(
      'SELECT dead_letter_reason, occurrences FROM nats_error_patterns',
    );
    expect(rows).toEqual([{ dead_letter_reason: 'exhausted', occurrences: '1' }]);
  });

  it('shows a webhook without an endpoint and without attempts', async () => {
    const deadLetter = deadLetterOf({ reason: 'unroutable', error: 'no endpoint', url: null, attempts: 0 });
    await storeFlush(database.pool, flushOf({ deadLetters: [deadLetter] }));
    expect(await deliveries()).toMatchObject([
      {
        status: 'dead-lettered',
        attempts: 0,
        url: null,
        last_error: 'no endpoint',
        dead_letter_reason: 'unroutable',
        first_attempt_at: null,
        completed_at: new Date(deadLetter.at),
      },
    ]);
  });

  it('does not count an attempt that a stop of the worker has aborted', async () => {
    const aborted = { ...failed(1), outcome: 'aborted' as const, verdict: 'requeued' as const, status: null };
    await storeFlush(database.pool, flushOf({ attempts: [{ ...aborted, nextAttemptAt: null }] }));
    expect(await deliveries()).toMatchObject([{ status: 'retrying', attempts: 0, next_retry_at: null }]);
  });

  it('finds a webhook with the index', async () => {
    await storeFlush(database.pool, flushOf({ attempts: [failed(1)], deadLetters: [deadLetterOf()] }));
    const client = await database.pool.connect();
    await client.query('SET enable_seqscan = off');
    const { rows } = await client.query(
      `EXPLAIN SELECT * FROM nats_deliveries WHERE delivery_id = 'delivery-1'`,
    );
    client.release(true);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('delivery_id_idx');
    expect(plan).not.toContain('Seq Scan');
  });

  it('counts errors that differ only in numbers as one pattern', async () => {
    const errors = [
      'ECONNREFUSED: connect 10.0.0.1:8080',
      'ECONNREFUSED: connect 10.0.0.22:9090',
      'HTTP 503',
      'HTTP 404',
    ];
    const attempts = errors.map((error) => ({ ...failed(1), error }));
    await storeFlush(database.pool, flushOf({ attempts }));
    const { rows } = await database.pool.query(
      'SELECT pattern, occurrences FROM nats_error_patterns ORDER BY occurrences DESC, pattern',
    );
    expect(rows).toEqual([
      { pattern: 'ECONNREFUSED: connect <n>:<n>', occurrences: '2' },
      { pattern: 'HTTP 404', occurrences: '1' },
      { pattern: 'HTTP 503', occurrences: '1' },
    ]);
  });
});
