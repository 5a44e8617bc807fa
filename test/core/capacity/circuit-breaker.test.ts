import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from '../../../src/core/capacity/circuit-breaker.ts';

/** The random number that neither shortens nor lengthens the open time. */
const NO_JITTER = 0.5;
const create = () => new CircuitBreaker();

type Failure = {
  isProbe?: boolean;
  isEvidence?: boolean;
  durationMs?: number;
  retryAfterMs?: number;
  number?: number;
};

function fail(breaker: CircuitBreaker, now: number, failure: Failure = {}, random = NO_JITTER): void {
  breaker.onFailure(
    { number: now, isProbe: false, isEvidence: true, durationMs: 0, retryAfterMs: 0, hung: 0, ...failure },
    now,
    random,
  );
}

/** Reports one attempt per millisecond: `F` for a failure, `s` for a success. Returns the time after the last one. */
function play(breaker: CircuitBreaker, results: string, from = 0): number {
  let now = from;
  for (const result of results) {
    if (result === 's') breaker.onSuccess(now, now);
    else fail(breaker, now);
    now++;
  }
  return now;
}

describe('a circuit breaker', () => {
  it.each([
    ['no attempt', '', true],
    ['two failures without any success', 'F'.repeat(2), true],
    ['three failures without any success', 'F'.repeat(3), false],
    ['nine failures in a row', `ssssss${'F'.repeat(9)}`, true],
    ['ten failures in a row', `ssssss${'F'.repeat(10)}`, false],
    ['failures of half of 200 attempts', 'Fs'.repeat(100), true],
    ['four failures in five attempts, too few to judge', 'sFFFF', true],
    ['eight failures in ten attempts, not in a row', 'sFFFFsFFFF', true],
    ['nine failures in ten, for long', 'sFFFFFFFFF'.repeat(40), true],
    ['nine failures in ten, then 69 more in a row', `${'sFFFFFFFFF'.repeat(20)}s${'F'.repeat(69)}`, true],
    ['nine failures in ten, then 100 in a row', `${'sFFFFFFFFF'.repeat(20)}s${'F'.repeat(100)}`, false],
    [
      'hardly any success, then 99 failures in a row',
      `${`s${'F'.repeat(60)}`.repeat(5)}s${'F'.repeat(99)}`,
      true,
    ],
  ])('after %s is closed: %#', (_what, results, closed) => {
    const breaker = create();
    play(breaker, results);
    expect(breaker.isClosed()).toBe(closed);
  });

  it('opens after ten failures in a row, however long they took', () => {
    const breaker = create();
    breaker.onSuccess(0, 0);
    for (let minute = 1; minute <= 10; minute++) fail(breaker, minute * 60_000);
    expect(breaker.isClosed()).toBe(false);
  });

  it('counts the attempts of the last 10 s', () => {
    const breaker = create();
    play(breaker, 'sFFF');
    breaker.onSuccess(20_000, 20_000);
    expect(breaker.counts(20_000)).toEqual({ successes: 1, failures: 0 });
  });

  it('is not opened by failures that are no evidence, however many', () => {
    const breaker = create();
    for (let now = 0; now < 500; now++) fail(breaker, now, { isEvidence: false });
    expect(breaker.isClosed()).toBe(true);
  });

  it('is opened again by a probe that fails, also if the failure is no evidence', () => {
    const breaker = create();
    play(breaker, 'FFF');
    fail(breaker, 1000, { isProbe: true, isEvidence: false });
    expect(breaker.isHalfOpen(1249)).toBe(false);
  });

  it('takes a timeout for older than the successes of attempts that began later', () => {
    const breaker = create();
    for (let number = 0; number < 50; number++) {
      breaker.onSuccess(1000 + number, 1001 + number);
      fail(breaker, 1001 + number, { number });
    }
    for (let number = 0; number < 50; number++) fail(breaker, 1100, { number });
    expect(breaker.isClosed()).toBe(true);
  });

  it('lets a message that has just arrived be the probe a fifth earlier, but not before a Retry-After', () => {
    const [breaker, asking] = [create(), create()];
    play(breaker, 'FFF');
    expect([201, 202].map((now) => breaker.isHalfOpenForFresh(now))).toEqual([false, true]);
    expect(breaker.isHalfOpen(202)).toBe(false);
    for (const now of [0, 1, 2]) fail(asking, now, { retryAfterMs: 60_000 });
    expect([60_001, 60_002].map((now) => asking.isHalfOpenForFresh(now))).toEqual([false, true]);
  });

  it('is half-open when its open time is over', () => {
    const breaker = create();
    const now = play(breaker, 'F'.repeat(5));
    expect(breaker.isHalfOpen(now)).toBe(false);
    expect(breaker.openUntil).toBe(2 + 250);
    expect(breaker.isHalfOpen(2 + 250)).toBe(true);
  });

  it('closes at a success, and then counts from zero', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    breaker.onSuccess(2000, 2000);
    expect(breaker.isClosed()).toBe(true);
    play(breaker, 'F'.repeat(8), 2001);
    expect(breaker.isClosed()).toBe(true);
  });

  it.each([
    ['at least 250 ms', 0, 250],
    ['a minute', 60_000, 2000],
    ['ten minutes', 600_000, 20_000],
    ['at most half a minute', 86_400_000, 30_000],
  ])('after a failed probe stays open for a thirtieth of the outage: %s, after %d ms, for %d ms', (_when, outageMs, openMs) => {
    const breaker = create();
    play(breaker, 'F'.repeat(3));
    const now = 2 + outageMs;
    fail(breaker, now, { isProbe: true, durationMs: 5 });
    expect(breaker.openUntil).toBe(now + openMs);
  });

  it('stays open for five times the duration of its last probe, at most half a minute', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    const waits = [100, 2000, 30_000].map((durationMs) => {
      fail(breaker, 1000, { isProbe: true, durationMs });
      return breaker.openUntil! - 1000;
    });
    expect(waits).toEqual([500, 10_000, 30_000]);
  });

  it('is not kept open by attempts that started before it opened', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    const until = breaker.openUntil;
    play(breaker, 'F'.repeat(50), 5);
    expect(breaker.openUntil).toBe(until);
  });

  it.each([
    ['opens it', 'F'.repeat(2)],
    ['ends while it is open', 'F'.repeat(5)],
  ])('stays open for the Retry-After of an attempt that %s', (_when, before) => {
    const breaker = create();
    const now = play(breaker, before);
    fail(breaker, now, { retryAfterMs: 60_000 });
    expect(breaker.openUntil).toBe(now + 60_000);
  });

  it('is half-open up to a quarter of its open time earlier or later, at random', () => {
    for (const [random, ms] of [
      [0, 187.5],
      [1, 312.5],
    ] as const) {
      const breaker = create();
      play(breaker, 'F'.repeat(2));
      fail(breaker, 2, {}, random);
      expect(breaker.openUntil).toBe(2 + ms);
    }
  });

  it('can be made half-open while it is closed, and closes at a success', () => {
    const breaker = create();
    breaker.halfOpen(5);
    expect(breaker.isHalfOpen(5)).toBe(true);
    breaker.onSuccess(6, 6);
    expect(breaker.isClosed()).toBe(true);
  });

  it('keeps its open time when it is made half-open while it is open', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(2));
    fail(breaker, 2, { retryAfterMs: 60_000 });
    breaker.halfOpen(3);
    expect(breaker.openUntil).toBe(60_002);
  });
});
