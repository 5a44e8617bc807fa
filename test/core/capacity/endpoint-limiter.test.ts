import { describe, expect, it } from 'vitest';
import {
  EndpointLimiter,
  type LimiterSignal,
  NO_LIMITS,
  signalOf,
} from '../../../src/core/capacity/endpoint-limiter.ts';
import type { Outcome } from '../../../src/core/retry/attempt.ts';

const LIMITS = { slots: 100, unresponsiveAfterMs: 200, failureRateThreshold: 0.8, windowMs: 10_000 };
const SHARE = { responsive: 97, untested: 50, firstAttempt: true, probe: true };
const NO_JITTER = 0.5;

const release = (limiter: EndpointLimiter, signal: LimiterSignal, now: number, isProbe = false) =>
  limiter.release({ signal, isProbe, durationMs: 50, retryAfterMs: 0 }, now, NO_JITTER);

/** Starts `count` attempts now, which all end after 50 ms with this signal. */
function burst(limiter: EndpointLimiter, count: number, signal: LimiterSignal, now: number): void {
  for (let number = 0; number < count; number++) limiter.acquire(now);
  for (let number = 0; number < count; number++) release(limiter, signal, now + 50);
}

/** The limiter of an endpoint that answered well until it may use all slots that it can get. */
function fullyGrown(): EndpointLimiter {
  const limiter = new EndpointLimiter(LIMITS);
  for (const now of [0, 50, 100, 150]) burst(limiter, limiter.availablePermits(now, SHARE), 'success', now);
  return limiter;
}

describe('the limiter signal', () => {
  const responded = (status: number): Outcome => ({
    kind: 'responded',
    status,
    retryAfterMs: null,
    excerpt: null,
  });
  it.each<[LimiterSignal, Outcome]>([
    ['success', responded(200)],
    ['success', responded(302)],
    ['success', responded(404)],
    ['overload', responded(429)],
    ['success', { ...responded(429), isDeclaredSuccess: true } as Outcome],
    ['success', { ...responded(503), isDeclaredSuccess: true } as Outcome],
    ['failure', responded(500)],
    ['overload', responded(502)],
    ['overload', responded(503)],
    ['overload', responded(504)],
    ['overload', { kind: 'unreachable', code: 'ECONNREFUSED', detail: '' }],
    ['timeout', { kind: 'timedOut', phase: 'response', afterMs: 1 }],
    ['ignore', { kind: 'aborted' }],
    ['ignore', { kind: 'localFault', code: 'EMFILE' }],
    ['ignore', { kind: 'blocked', detail: '' }],
    ['ignore', { kind: 'held', detail: '' }],
  ])('%s belongs to the outcome %o', (signal, outcome) => {
    expect(signalOf(outcome)).toBe(signal);
  });
});

describe('an endpoint limiter', () => {
  it('grants ten permits at first, or a sixteenth of the slots if that is more', () => {
    expect(new EndpointLimiter(LIMITS).availablePermits(0, SHARE)).toBe(10);
    expect(
      new EndpointLimiter({ ...LIMITS, slots: 320 }).availablePermits(0, { ...SHARE, untested: 160 }),
    ).toBe(20);
  });

  it('grants the share of a responsive endpoint once its endpoint has answered well', () => {
    expect(fullyGrown().availablePermits(200, SHARE)).toBe(97);
  });

  it('starts again at its initial window after ten seconds without an attempt', () => {
    const limiter = fullyGrown();
    limiter.acquire(11_000);
    expect(limiter.responsiveness).toBe('untested');
    expect(limiter.availablePermits(11_000, SHARE)).toBe(9);
  });

  it('does not count idle time as time without an answer', () => {
    const limiter = fullyGrown();
    limiter.acquire(5000);
    expect(limiter.isUnresponsive(5000)).toBe(false);
  });

  it('is unresponsive when no attempt ends within PARK_AFTER_MS, and grants no more permits then', () => {
    const limiter = fullyGrown();
    for (let count = 0; count < 97; count++) limiter.acquire(300);
    limiter.refresh(500);
    expect([limiter.responsiveness, limiter.isUnresponsive(500)]).toEqual(['responsive', false]);
    limiter.refresh(501);
    expect([limiter.responsiveness, limiter.availablePermits(501, SHARE)]).toEqual(['unresponsive', 0]);
  });

  it('of a slow endpoint is unresponsive only after twice its usual response time', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.acquire(0);
    limiter.release(
      { signal: 'success', isProbe: false, durationMs: 2000, retryAfterMs: 0 },
      2000,
      NO_JITTER,
    );
    limiter.acquire(2000);
    expect([limiter.isUnresponsive(6000), limiter.isUnresponsive(6001)]).toEqual([false, true]);
  });

  it('is responsive again at the first answer', () => {
    const limiter = fullyGrown();
    for (let count = 0; count < 97; count++) limiter.acquire(300);
    limiter.refresh(600);
    release(limiter, 'success', 700);
    expect([limiter.responsiveness, limiter.availablePermits(700, SHARE)]).toEqual(['responsive', 1]);
  });

  it('stays unresponsive when attempts time out, since a time-out is not an answer', () => {
    const limiter = fullyGrown();
    for (let count = 0; count < 20; count++) limiter.acquire(300);
    limiter.refresh(600);
    release(limiter, 'timeout', 700);
    expect(limiter.isUnresponsive(701)).toBe(true);
  });

  it('grants nothing while its circuit breaker is open, and one probe when the breaker is half-open', () => {
    const limiter = new EndpointLimiter(LIMITS);
    burst(limiter, 10, 'overload', 0);
    expect(limiter.availablePermits(100, SHARE)).toBe(0);
    const halfOpenAt = limiter.breaker.openUntil!;
    expect(limiter.availablePermits(halfOpenAt, SHARE)).toBe(1);
    expect(limiter.availablePermits(halfOpenAt, { ...SHARE, probe: false })).toBe(0);
    expect(limiter.acquire(halfOpenAt)).toBe(true);
    expect([limiter.probes, limiter.availablePermits(halfOpenAt, SHARE)]).toEqual([1, 0]);
    release(limiter, 'success', halfOpenAt + 50, true);
    expect([limiter.probes, limiter.availablePermits(halfOpenAt + 50, SHARE)]).toEqual([0, 10]);
  });

  it('grants nothing while it is paused', () => {
    const limiter = fullyGrown();
    limiter.applyLimits({ ...NO_LIMITS, paused: 'by hand' });
    expect(limiter.availablePermits(200, SHARE)).toBe(0);
    limiter.applyLimits(NO_LIMITS);
    expect(limiter.availablePermits(200, SHARE)).toBe(97);
  });

  it('grants at most max_concurrency permits', () => {
    const limiter = fullyGrown();
    limiter.applyLimits({ ...NO_LIMITS, concurrency: 3 });
    limiter.acquire(200);
    expect(limiter.availablePermits(200, SHARE)).toBe(2);
  });

  it('grants no more permits per second than its rate limit', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 5 });
    limiter.acquire(0);
    expect([0, 124, 125].map((now) => limiter.availablePermits(now, SHARE))).toEqual([0, 0, 1]);
  });

  it('keeps its rate count when the same limits are applied again', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 10 });
    limiter.acquire(0);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 10 });
    expect(limiter.availablePermits(0, SHARE)).toBe(0);
  });
});
