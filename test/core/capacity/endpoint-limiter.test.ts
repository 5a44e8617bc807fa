import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttemptInFlight } from '../../../src/core/capacity/attempts-in-flight.ts';
import { EndpointLimiter } from '../../../src/core/capacity/endpoint-limiter.ts';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limits.ts';
import { type LimiterSignal, signalOf } from '../../../src/core/capacity/limiter-signal.ts';
import type { Outcome } from '../../../src/core/retry/attempt.ts';

const LIMITS = { slots: 100, unresponsiveAfterMs: 200 };
const SHARE = { responsive: 97, untested: 50, firstAttempt: true, hung: 12, probe: true };
const NO_JITTER = 0.5;

/** The attempts in flight, the oldest first. */
const inFlight = new WeakMap<EndpointLimiter, AttemptInFlight[]>();
const heldBy = (limiter: EndpointLimiter) => {
  if (!inFlight.has(limiter)) inFlight.set(limiter, []);
  return inFlight.get(limiter)!;
};

function acquire(limiter: EndpointLimiter, now: number, isRetry = false, isExtra = false): AttemptInFlight {
  const attempt = new AttemptInFlight(isRetry);
  limiter.acquire(attempt, now, isExtra);
  heldBy(limiter).push(attempt);
  return attempt;
}

function release(limiter: EndpointLimiter, signal: LimiterSignal, now: number, durationMs = 50): void {
  limiter.release(heldBy(limiter).shift()!, { signal, durationMs, retryAfterMs: 0 }, now, NO_JITTER);
}

/** Starts `count` attempts now, which all end after 50 ms with this signal. */
function burst(
  limiter: EndpointLimiter,
  count: number,
  signal: LimiterSignal,
  now: number,
  isRetry = false,
): void {
  for (let number = 0; number < count; number++) acquire(limiter, now, isRetry);
  for (let number = 0; number < count; number++) release(limiter, signal, now + 50);
}

/** The limiter of an endpoint that answered well until it may use all slots that it can get. */
function fullyGrown(): EndpointLimiter {
  const limiter = new EndpointLimiter(LIMITS);
  for (const now of [0, 50, 100, 150])
    burst(limiter, limiter.availablePermits(now, SHARE, 'parked'), 'success', now);
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
    ['unreachable', { kind: 'unreachable', code: 'ECONNREFUSED', detail: '' }],
    ['unreachable', { kind: 'unreachable', code: 'CERT_HAS_EXPIRED', detail: '' }],
    ['overload', { kind: 'unreachable', code: 'UND_ERR_SOCKET', detail: '' }],
    ['overload', { kind: 'unreachable', code: 'ECONNRESET', detail: '' }],
    ['connectTimeout', { kind: 'timedOut', phase: 'connect', afterMs: 1 }],
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
    expect(new EndpointLimiter(LIMITS).availablePermits(0, SHARE, 'parked')).toBe(10);
    expect(
      new EndpointLimiter({ ...LIMITS, slots: 320 }).availablePermits(
        0,
        { ...SHARE, untested: 160 },
        'parked',
      ),
    ).toBe(20);
  });

  it('grants the share of a responsive endpoint once its endpoint has answered well', () => {
    expect(fullyGrown().availablePermits(200, SHARE, 'parked')).toBe(97);
  });

  it('starts again at its initial window after ten seconds without an attempt', () => {
    const limiter = fullyGrown();
    acquire(limiter, 11_000);
    expect(limiter.responsiveness).toBe('untested');
    expect(limiter.availablePermits(11_000, SHARE, 'parked')).toBe(9);
  });

  it('does not count idle time as time without an answer', () => {
    const limiter = fullyGrown();
    acquire(limiter, 5000);
    expect(limiter.isUnresponsive(5000)).toBe(false);
  });

  it('is unresponsive when no attempt ends within PARK_AFTER_MS, and grants no more permits then', () => {
    const limiter = fullyGrown();
    for (let count = 0; count < 97; count++) acquire(limiter, 300);
    limiter.refresh(500);
    expect([limiter.responsiveness, limiter.isUnresponsive(500)]).toEqual(['responsive', false]);
    limiter.refresh(501);
    expect([limiter.responsiveness, limiter.availablePermits(501, SHARE, 'parked')]).toEqual([
      'unresponsive',
      0,
    ]);
  });

  it('of a slow endpoint is unresponsive only after twice its usual response time', () => {
    const limiter = new EndpointLimiter(LIMITS);
    acquire(limiter, 0);
    release(limiter, 'success', 2000, 2000);
    acquire(limiter, 2000);
    expect([limiter.isUnresponsive(6000), limiter.isUnresponsive(6001)]).toEqual([false, true]);
  });

  it('is responsive again at the first answer', () => {
    const limiter = fullyGrown();
    for (let count = 0; count < 97; count++) acquire(limiter, 300);
    limiter.refresh(600);
    release(limiter, 'success', 700);
    expect([limiter.responsiveness, limiter.availablePermits(700, SHARE, 'parked')]).toEqual([
      'responsive',
      1,
    ]);
  });

  it('stays unresponsive when attempts time out, since a time-out is not an answer', () => {
    const limiter = fullyGrown();
    for (let count = 0; count < 20; count++) acquire(limiter, 300);
    limiter.refresh(600);
    release(limiter, 'timeout', 700);
    expect(limiter.isUnresponsive(701)).toBe(true);
  });

  it('grants nothing while its circuit breaker is open, and one probe when the breaker is half-open', () => {
    const limiter = new EndpointLimiter(LIMITS);
    burst(limiter, 10, 'overload', 0);
    expect(limiter.availablePermits(100, SHARE, 'parked')).toBe(0);
    const halfOpenAt = limiter.breaker.openUntil!;
    expect(limiter.availablePermits(halfOpenAt, SHARE, 'parked')).toBe(1);
    expect(limiter.availablePermits(halfOpenAt, { ...SHARE, probe: false }, 'parked')).toBe(0);
    expect(acquire(limiter, halfOpenAt).isProbe).toBe(true);
    expect([limiter.probes, limiter.availablePermits(halfOpenAt, SHARE, 'parked')]).toEqual([1, 0]);
    release(limiter, 'success', halfOpenAt + 50);
    expect([limiter.probes, limiter.availablePermits(halfOpenAt + 50, SHARE, 'parked')]).toEqual([0, 10]);
  });

  it('grants nothing while it is paused', () => {
    const limiter = fullyGrown();
    limiter.applyLimits({ ...NO_LIMITS, paused: 'by hand' });
    expect(limiter.availablePermits(200, SHARE, 'parked')).toBe(0);
    limiter.applyLimits(NO_LIMITS);
    expect(limiter.availablePermits(200, SHARE, 'parked')).toBe(97);
  });

  it('grants at most max_concurrency permits', () => {
    const limiter = fullyGrown();
    limiter.applyLimits({ ...NO_LIMITS, concurrency: 3 });
    acquire(limiter, 200);
    expect(limiter.availablePermits(200, SHARE, 'parked')).toBe(2);
  });

  it('grants no more permits per second than its rate limit', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 5 });
    acquire(limiter, 0);
    expect([0, 124, 125].map((now) => limiter.availablePermits(now, SHARE, 'parked'))).toEqual([0, 0, 1]);
  });

  it('keeps its rate count when the same limits are applied again', () => {
    const limiter = new EndpointLimiter(LIMITS);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 10 });
    acquire(limiter, 0);
    limiter.applyLimits({ ...NO_LIMITS, ratePerSecond: 10 });
    expect(limiter.availablePermits(0, SHARE, 'parked')).toBe(0);
  });
});

describe('a message that always fails', () => {
  it('has retries that open nothing, as long as they reach the host', () => {
    const limiter = fullyGrown();
    for (let now = 200; now < 20_200; now += 100) burst(limiter, 5, 'overload', now, true);
    expect([limiter.breaker.isClosed(), limiter.window.size]).toEqual([true, 100]);
    for (let now = 20_200; now < 20_800; now += 100) burst(limiter, 2, 'unreachable', now, true);
    expect(limiter.breaker.isClosed()).toBe(false);
  });

  it('has retries that use half of the window, and of a cap', () => {
    const limiter = new EndpointLimiter(LIMITS);
    expect(limiter.availablePermits(0, SHARE, 'retry')).toBe(5);
    for (let number = 0; number < 5; number++) acquire(limiter, 0, true);
    expect([
      limiter.availablePermits(0, SHARE, 'retry'),
      limiter.availablePermits(0, SHARE, 'fresh'),
    ]).toEqual([0, 5]);
    const capped = fullyGrown();
    capped.applyLimits({ ...NO_LIMITS, concurrency: 1 });
    expect(capped.availablePermits(200, SHARE, 'retry')).toBe(1);
  });
});

describe('an attempt that the endpoint is silent about', () => {
  const answering = (limiter: EndpointLimiter, now: number) => {
    const attempt = new AttemptInFlight(false);
    limiter.acquire(attempt, now);
    limiter.release(attempt, { signal: 'success', durationMs: 50, retryAfterMs: 0 }, now + 50, NO_JITTER);
  };

  it('leaves the window when the endpoint answers others, and counts against the budget', () => {
    const limiter = fullyGrown();
    for (let number = 0; number < 12; number++) acquire(limiter, 200);
    answering(limiter, 300);
    limiter.refresh(401);
    expect([limiter.inFlight, limiter.inWindow, limiter.outsideWindow]).toEqual([12, 0, 12]);
    expect(limiter.responsiveness).toBe('responsive');
    expect([limiter.isHungUp(SHARE, 'fresh'), limiter.availablePermits(401, SHARE, 'fresh')]).toEqual([
      true,
      0,
    ]);
  });

  it('stays in the window when nothing is answered: the endpoint may be silent about all', () => {
    const limiter = fullyGrown();
    for (let number = 0; number < 12; number++) acquire(limiter, 300);
    limiter.refresh(501);
    expect([limiter.inWindow, limiter.responsiveness]).toEqual([12, 'unresponsive']);
  });

  it('of a retry leaves the window in any case, and keeps no endpoint from its other messages', () => {
    const limiter = fullyGrown();
    for (let number = 0; number < 5; number++) acquire(limiter, 300, true);
    limiter.refresh(501);
    expect([limiter.inWindow, limiter.isUnresponsive(5000), limiter.responsiveness]).toEqual([
      0,
      false,
      'responsive',
    ]);
    expect(limiter.availablePermits(501, SHARE, 'fresh')).toBeGreaterThan(50);
  });

  it('leaves one message that has just arrived in each 200 ms, up to a second budget', () => {
    const limiter = fullyGrown();
    for (let number = 0; number < 12; number++) acquire(limiter, 200);
    answering(limiter, 300);
    limiter.refresh(401);
    let extra = 0;
    for (let now = 401; now < 20_000; now += 25) {
      if (!limiter.mayStartExtra(now, SHARE)) continue;
      acquire(limiter, now, false, true);
      extra++;
      if (extra === 2) expect(now).toBeGreaterThanOrEqual(601);
    }
    expect(extra).toBe(12);
  });

  it('is counted no more when it ended: neither in the window nor in the budget', () => {
    const limiter = fullyGrown();
    for (let number = 0; number < 12; number++) acquire(limiter, 200);
    answering(limiter, 300);
    limiter.refresh(401);
    for (let number = 0; number < 12; number++) release(limiter, 'timeout', 1200, 1000);
    expect([limiter.inFlight, limiter.inWindow, limiter.outsideWindow]).toEqual([0, 0, 0]);
  });
});

describe('a pause of the process', () => {
  it('does not turn failures into an outage: they started before the last success, whatever the clock says', () => {
    const limiter = new EndpointLimiter(LIMITS);
    for (let number = 0; number < 16; number++) acquire(limiter, 0);
    const [good, ...bad] = heldBy(limiter).splice(0).reverse();
    limiter.release(good!, { signal: 'success', durationMs: 5, retryAfterMs: 0 }, 5, NO_JITTER);
    limiter.shiftClock(500);
    for (const attempt of bad)
      limiter.release(attempt, { signal: 'timeout', durationMs: 1000, retryAfterMs: 0 }, 1500, NO_JITTER);
    expect(limiter.breaker.isClosed()).toBe(true);
  });
});

describe('the attempts that a limiter counts', () => {
  it('are as many as began and did not end, whatever happens', () => {
    const step = fc.record({
      act: fc.constantFrom('first', 'retry', 'extra', 'end', 'refresh'),
      which: fc.nat(1000),
      signal: fc.constantFrom<LimiterSignal>(
        'success',
        'failure',
        'overload',
        'timeout',
        'unreachable',
        'ignore',
      ),
      ms: fc.nat(400),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const limiter = new EndpointLimiter(LIMITS);
        const held: AttemptInFlight[] = [];
        let now = 0;
        for (const { act, which, signal, ms } of steps) {
          now += ms;
          const kind = act === 'retry' ? 'retry' : 'fresh';
          if (act === 'refresh') limiter.refresh(now);
          else if (act === 'end') {
            const [attempt] = held.splice(which % Math.max(1, held.length), 1);
            if (attempt !== undefined)
              limiter.release(
                attempt,
                { signal, durationMs: now - attempt.startedAt, retryAfterMs: 0 },
                now,
                NO_JITTER,
              );
          } else {
            const isExtra = act === 'extra';
            const mayStart = isExtra
              ? limiter.mayStartExtra(now, SHARE)
              : limiter.availablePermits(now, SHARE, kind) > 0;
            if (!mayStart) continue;
            const attempt = new AttemptInFlight(act === 'retry');
            limiter.acquire(attempt, now, isExtra);
            held.push(attempt);
          }
          expect(limiter.inFlight).toBe(held.length);
          expect(limiter.inWindow + limiter.outsideWindow).toBe(held.length);
          expect(limiter.probes).toBe(held.filter(({ isProbe }) => isProbe).length);
        }
        for (const attempt of held)
          limiter.release(attempt, { signal: 'success', durationMs: 1, retryAfterMs: 0 }, now, NO_JITTER);
        expect([limiter.inFlight, limiter.inWindow, limiter.probes]).toEqual([0, 0, 0]);
        // Longer than a breaker stays open.
        expect(limiter.availablePermits(now + 60_000, SHARE, 'fresh')).toBeGreaterThan(0);
      }),
    );
  });
});
