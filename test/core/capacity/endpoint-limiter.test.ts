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
const HALF = 0.5;

const left = (limiter: EndpointLimiter, signal: LimiterSignal, now: number, isProbe = false) =>
  limiter.release({ signal, isProbe, durationMs: 50, retryAfterMs: 0 }, now, HALF);

/** So many attempts from now on, which end together after 50 ms. */
function burst(limiter: EndpointLimiter, count: number, sign: LimiterSignal, now: number): void {
  for (let number = 0; number < count; number++) limiter.acquire(now);
  for (let number = 0; number < count; number++) left(limiter, sign, now + 50);
}

/** A room that has answered well with all that it may have. */
function grown(): EndpointLimiter {
  const limiter = new EndpointLimiter(LIMITS);
  for (const now of [0, 50, 100, 150]) burst(limiter, limiter.availablePermits(now, SHARE), 'success', now);
  return limiter;
}

describe('what an outcome says of its endpoint', () => {
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
  ])('%s: %o', (sign, outcome) => {
    expect(signalOf(outcome)).toBe(sign);
  });
});

describe('a room', () => {
  it('has ten places at first, or a sixteenth of the slots', () => {
    expect(new EndpointLimiter(LIMITS).availablePermits(0, SHARE)).toBe(10);
    expect(
      new EndpointLimiter({ ...LIMITS, slots: 320 }).availablePermits(0, { ...SHARE, untested: 160 }),
    ).toBe(20);
  });

  it('has all that it may once its endpoint has answered well', () => {
    expect(grown().availablePermits(200, SHARE)).toBe(97);
  });

  it('gives back what it was trusted with after ten seconds without an attempt', () => {
    const limiter = grown();
    limiter.acquire(11_000);
    expect(limiter.responsiveness).toBe('untested');
    expect(limiter.availablePermits(11_000, SHARE)).toBe(9);
  });

  it('is not taken for silent because it was idle', () => {
    const limiter = grown();
    limiter.acquire(5000);
    expect(limiter.isUnresponsive(5000)).toBe(false);
  });

  it('falls silent when nothing comes back for PARK_AFTER_MS, and holds what it was given', () => {
    const limiter = grown();
    for (let count = 0; count < 97; count++) limiter.acquire(300);
    limiter.refresh(500);
    expect([limiter.responsiveness, limiter.isUnresponsive(500)]).toEqual(['responsive', false]);
    limiter.refresh(501);
    expect([limiter.responsiveness, limiter.availablePermits(501, SHARE)]).toEqual(['unresponsive', 0]);
  });

  it('of an endpoint that takes its time falls silent after twice that time', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.acquire(0);
    limiter.release({ signal: 'success', isProbe: false, durationMs: 2000, retryAfterMs: 0 }, 2000, HALF);
    limiter.acquire(2000);
    expect([limiter.isUnresponsive(6000), limiter.isUnresponsive(6001)]).toEqual([false, true]);
  });

  it('is itself again at the first answer', () => {
    const limiter = grown();
    for (let count = 0; count < 97; count++) limiter.acquire(300);
    limiter.refresh(600);
    left(limiter, 'success', 700);
    expect([limiter.responsiveness, limiter.availablePermits(700, SHARE)]).toEqual(['responsive', 1]);
  });

  it('stays silent when attempts time out: that is no answer', () => {
    const limiter = grown();
    for (let count = 0; count < 20; count++) limiter.acquire(300);
    limiter.refresh(600);
    left(limiter, 'timeout', 700);
    expect(limiter.isUnresponsive(701)).toBe(true);
  });

  it('lets nothing in while its breaker is open, and one probe when it is half-open', () => {
    const limiter = new EndpointLimiter(LIMITS);
    burst(limiter, 10, 'overload', 0);
    expect(limiter.availablePermits(100, SHARE)).toBe(0);
    const opensAt = limiter.breaker.openUntil!;
    expect(limiter.availablePermits(opensAt, SHARE)).toBe(1);
    expect(limiter.availablePermits(opensAt, { ...SHARE, probe: false })).toBe(0);
    expect(limiter.acquire(opensAt)).toBe(true);
    expect([limiter.probes, limiter.availablePermits(opensAt, SHARE)]).toEqual([1, 0]);
    left(limiter, 'success', opensAt + 50, true);
    expect([limiter.probes, limiter.availablePermits(opensAt + 50, SHARE)]).toEqual([0, 10]);
  });

  it('lets nothing in while it is paused', () => {
    const limiter = grown();
    limiter.applyLimits({ ...NO_LIMITS, paused: 'by hand' });
    expect(limiter.availablePermits(200, SHARE)).toBe(0);
    limiter.applyLimits(NO_LIMITS);
    expect(limiter.availablePermits(200, SHARE)).toBe(97);
  });

  it('keeps to a cap', () => {
    const limiter = grown();
    limiter.applyLimits({ ...NO_LIMITS, concurrency: 3 });
    limiter.acquire(200);
    expect(limiter.availablePermits(200, SHARE)).toBe(2);
  });

  it('keeps to a rate', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 5 });
    limiter.acquire(0);
    expect([0, 124, 125].map((now) => limiter.availablePermits(now, SHARE))).toEqual([0, 0, 1]);
  });

  it('goes on counting its rate when the same rule is said again', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 10 });
    limiter.acquire(0);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 10 });
    expect(limiter.availablePermits(0, SHARE)).toBe(0);
  });
});
