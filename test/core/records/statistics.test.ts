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
const noRoom = attempt({ kind: 'noCapacity', reason: 'its circuit breaker is open' });
const aborted = attempt({ kind: 'aborted' });

const RETRY = { kind: 'retry', delayMs: 1, retryVia: 'nak' } as const;

const settled = { ...NO_COUNTERS, settled: 1, processingMs: 12 };

describe('what a settled hand-out adds', () => {
  it.each<[string, Attempt, Disposition, boolean, Counters]>([
    ['an ack', answered, { kind: 'ack' }, false, { ...settled, acknowledged: 1, attempts: 1 }],
    [
      'an ack of a hand-out made before',
      answered,
      { kind: 'ack' },
      true,
      { ...settled, acknowledged: 1, attempts: 1, redelivered: 1 },
    ],
    ['a retry', answered, RETRY, false, { ...settled, retried: 1, attempts: 1 }],
    [
      "a retry that waits in its endpoint's own queue: settled here, not parked",
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
      'a dead letter that was never sent',
      unsent,
      { kind: 'deadLetter', reason: 'malformed' },
      false,
      { ...settled, deadLettered: 1 },
    ],
    [
      'one handed back',
      aborted,
      { kind: 'requeued', delayMs: 0 },
      true,
      { ...NO_COUNTERS, requeued: 1, attempts: 1 },
    ],
    ['one parked, since there was no room', noRoom, { kind: 'park' }, true, { ...NO_COUNTERS, parked: 1 }],
    [
      'one parked at a shutdown, whose attempt was aborted',
      aborted,
      { kind: 'park' },
      false,
      { ...NO_COUNTERS, parked: 1, attempts: 1 },
    ],
  ])('%s', (_, done, verdict, isRedelivery, counters) => {
    expect(countSettled(done, verdict, isRedelivery)).toEqual(counters);
  });
});

describe('merging counters', () => {
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

  it('with nothing changes nothing', () => {
    fc.assert(
      fc.property(counters, (a) => {
        expect(mergeCounters(a, NO_COUNTERS)).toEqual(a);
      }),
    );
  });

  it('sums each field', () => {
    fc.assert(
      fc.property(counters, counters, (a, b) => {
        const sum = mergeCounters(a, b);
        for (const name of Object.keys(NO_COUNTERS) as (keyof Counters)[])
          expect(sum[name]).toBe(a[name] + b[name]);
      }),
    );
  });

  it('never counts a hand-out twice: each is delivered, handed back or parked', () => {
    const outcome = fc.constantFrom(answered, unsent, aborted);
    const verdict = fc.constantFrom<Disposition>(
      { kind: 'ack' },
      RETRY,
      { ...RETRY, retryVia: 'park' },
      { kind: 'deadLetter', reason: 'gone' },
      { kind: 'requeued', delayMs: 0 },
      { kind: 'park' },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(outcome, verdict, fc.boolean())), (handOuts) => {
        const sum = handOuts.map((handOut) => countSettled(...handOut)).reduce(mergeCounters, NO_COUNTERS);
        expect(sum.settled + sum.requeued + sum.parked).toBe(handOuts.length);
        expect(sum.acknowledged + sum.retried + sum.deadLettered).toBe(sum.settled);
      }),
    );
  });
});

describe('the lists of columns', () => {
  it.each([
    ['counters', Object.values(COUNTERS).map(({ column }) => column)],
    ['attempts', Object.values(ATTEMPT_COLUMNS).map(({ name }) => name)],
  ])('of %s name each column once, as SQL has it', (_, columns) => {
    expect(new Set(columns).size).toBe(columns.length);
    for (const column of columns) expect(column).toMatch(/^[a-z]+(_[a-z]+)*$/);
  });

  it('count a row that was dropped only where it was dropped', () => {
    expect(countSettled(answered, { kind: 'ack' }, false).rowsDropped).toBe(0);
  });
});
