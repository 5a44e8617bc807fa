import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTEMPT_COLUMNS } from '../../../src/core/records/attempt-columns.ts';
import {
  COUNTERS,
  type Counters,
  countSettled,
  mergeCounters,
  NO_COUNTERS,
} from '../../../src/core/records/statistics.ts';
import type { Attempt, Outcome } from '../../../src/core/retry/attempt.ts';
import type { Disposition } from '../../../src/core/retry/disposition.ts';

const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: 0, durationMs: 12 });
const answered = attempt({ kind: 'responded', status: 200, retryAfterMs: null, excerpt: null });
const unsent = attempt({ kind: 'undeliverable', reason: 'malformed', detail: 'x' });
const noCapacity = attempt({ kind: 'noCapacity', reason: 'the circuit breaker of the endpoint is open' });
const aborted = attempt({ kind: 'aborted' });

const RETRY = { kind: 'retry', delayMs: 1, retryVia: 'nak' } as const;

const settled = { ...NO_COUNTERS, settled: 1, processingMs: 12 };

describe('the counters count', () => {
  it.each<[string, Attempt, Disposition, boolean, Counters]>([
    ['an ack', answered, { kind: 'ack' }, false, { ...settled, acknowledged: 1, attempts: 1 }],
    [
      'an ack of a redelivery',
      answered,
      { kind: 'ack' },
      true,
      { ...settled, acknowledged: 1, attempts: 1, redelivered: 1 },
    ],
    ['a retry', answered, RETRY, false, { ...settled, retried: 1, attempts: 1 }],
    [
      'a retry that waits in the parked queue, as settled and not as parked',
      answered,
      { ...RETRY, retryVia: 'park' },
      false,
      { ...settled, retried: 1, attempts: 1 },
    ],
    [
      'a dead letter',
      answered,
      { kind: 'deadLetter', reason: 'exhausted' },
      true,
      { ...settled, deadLettered: 1, attempts: 1, redelivered: 1 },
    ],
    [
      'a dead letter without an attempt',
      unsent,
      { kind: 'deadLetter', reason: 'malformed' },
      false,
      { ...settled, deadLettered: 1 },
    ],
    [
      'a requeued message',
      aborted,
      { kind: 'requeued', delayMs: 0 },
      true,
      { ...NO_COUNTERS, requeued: 1, attempts: 1 },
    ],
    [
      'an ack after a request that was sent twice, because a kept connection broke',
      { ...answered, wasResent: true },
      { kind: 'ack' },
      false,
      { ...settled, acknowledged: 1, attempts: 2 },
    ],
    [
      'a message parked for want of capacity',
      noCapacity,
      { kind: 'park' },
      true,
      { ...NO_COUNTERS, parked: 1 },
    ],
    [
      'a message parked at a shutdown that aborted its attempt',
      aborted,
      { kind: 'park' },
      false,
      { ...NO_COUNTERS, parked: 1, attempts: 1 },
    ],
  ])('%s', (_, attempted, disposition, isRedelivery, counters) => {
    expect(countSettled(attempted, disposition, isRedelivery)).toEqual(counters);
  });
});

describe('the sum of counters', () => {
  const counters = fc.record(
    Object.fromEntries(Object.keys(NO_COUNTERS).map((name) => [name, fc.nat()])) as Record<
      keyof Counters,
      fc.Arbitrary<number>
    >,
  );

  it('does not depend on the order', () => {
    fc.assert(
      fc.property(counters, counters, (a, b) => {
        expect(mergeCounters(a, b)).toEqual(mergeCounters(b, a));
      }),
    );
  });

  it('does not depend on the grouping', () => {
    fc.assert(
      fc.property(counters, counters, counters, (a, b, c) => {
        expect(mergeCounters(mergeCounters(a, b), c)).toEqual(mergeCounters(a, mergeCounters(b, c)));
      }),
    );
  });

  it('with NO_COUNTERS is unchanged', () => {
    fc.assert(
      fc.property(counters, (a) => {
        expect(mergeCounters(a, NO_COUNTERS)).toEqual(a);
      }),
    );
  });

  it('is the sum of each field', () => {
    fc.assert(
      fc.property(counters, counters, (a, b) => {
        const sum = mergeCounters(a, b);
        for (const name of Object.keys(NO_COUNTERS) as (keyof Counters)[])
          expect(sum[name]).toBe(a[name] + b[name]);
      }),
    );
  });

  it('counts each delivery by NATS once: as settled, requeued or parked', () => {
    const outcome = fc.constantFrom(answered, unsent, aborted);
    const disposition = fc.constantFrom<Disposition>(
      { kind: 'ack' },
      RETRY,
      { ...RETRY, retryVia: 'park' },
      { kind: 'deadLetter', reason: 'gone' },
      { kind: 'requeued', delayMs: 0 },
      { kind: 'park' },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(outcome, disposition, fc.boolean())), (messages) => {
        const sum = messages.map((message) => countSettled(...message)).reduce(mergeCounters, NO_COUNTERS);
        expect(sum.settled + sum.requeued + sum.parked).toBe(messages.length);
        expect(sum.acknowledged + sum.retried + sum.deadLettered).toBe(sum.settled);
      }),
    );
  });
});

describe('the lists of columns', () => {
  it.each([
    ['counters', Object.values(COUNTERS).map(({ column }) => column)],
    ['attempts', Object.values(ATTEMPT_COLUMNS).map(({ name }) => name)],
  ])('of %s name each column once, as SQL spells it', (_, columns) => {
    expect(new Set(columns).size).toBe(columns.length);
    for (const column of columns) expect(column).toMatch(/^[a-z]+(_[a-z]+)*$/);
  });

  it('count no dropped row when a message is settled', () => {
    expect(countSettled(answered, { kind: 'ack' }, false).rowsDropped).toBe(0);
  });
});
