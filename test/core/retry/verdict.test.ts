import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../src/core/retry/attempt.ts';
import {
  deadLetterDetail,
  decide,
  type RetryPolicy,
  type RetryVia,
  type Verdict,
} from '../../../src/core/retry/verdict.ts';

const POLICY: RetryPolicy = {
  maxAttempts: 3,
  backoff: { baseMs: 1000, maxMs: 300_000, multiplier: 2, retryAfterMaxMs: 3_600_000 },
  terminalStatuses: new Set([400, 404]),
};

function verdict(outcome: Outcome, attemptNumber = 1, policy = POLICY, retryVia: RetryVia = 'nak'): Verdict {
  return decide({ outcome, startedAt: 0, durationMs: 1 }, attemptNumber, retryVia, policy, 0.5);
}

const responded = (status: number, retryAfterMs: number | null = null): Outcome => ({
  kind: 'responded',
  status,
  retryAfterMs,
  excerpt: null,
});
const declaredSuccess = (status: number): Outcome => ({
  kind: 'responded',
  status,
  retryAfterMs: null,
  excerpt: null,
  isDeclaredSuccess: true,
});
const retryAfter = (delayMs: number): Verdict => ({ kind: 'retry', delayMs, retryVia: 'nak' });
const RETRY = retryAfter(1000);
const PARK: Verdict = { kind: 'park' };
const deadLetter = (reason: Extract<Verdict, { kind: 'deadLetter' }>['reason']): Verdict => ({
  kind: 'deadLetter',
  reason,
});

const timedOut: Outcome = { kind: 'timedOut', phase: 'response', afterMs: 30_000 };
const unreachable: Outcome = { kind: 'unreachable', code: 'ECONNREFUSED', detail: 'connect' };

describe('the verdict', () => {
  it.each<[string, Outcome, Verdict]>([
    ['200', responded(200), { kind: 'ack' }],
    ['204', responded(204), { kind: 'ack' }],
    ['299', responded(299), { kind: 'ack' }],
    ['410', responded(410), deadLetter('gone')],
    ['a redirect that the row counts as delivered', declaredSuccess(302), { kind: 'ack' }],
    ['a terminal status that the row counts as delivered', declaredSuccess(404), { kind: 'ack' }],
    ['410, if the row counts it as delivered', declaredSuccess(410), { kind: 'ack' }],
    ['a terminal status', responded(404), deadLetter('rejected')],
    ['a redirect', responded(302), RETRY],
    ['304', responded(304), RETRY],
    ['401', responded(401), RETRY],
    ['429', responded(429), RETRY],
    ['500', responded(500), RETRY],
    ['999', responded(999), RETRY],
    ['a time-out', timedOut, RETRY],
    ['a time-out while connecting', { ...timedOut, phase: 'connect' }, RETRY],
    ['an endpoint that cannot be reached', unreachable, RETRY],
    ['an address that is not allowed', { kind: 'blocked', detail: 'private' }, deadLetter('forbidden')],
    ['what a row or a peer may mend', { kind: 'held', detail: 'x' }, PARK],
    [
      'a malformed message',
      { kind: 'undeliverable', reason: 'malformed', detail: 'x' },
      deadLetter('malformed'),
    ],
    [
      'a message without an endpoint',
      { kind: 'undeliverable', reason: 'unroutable', detail: 'x' },
      deadLetter('unroutable'),
    ],
    ['lost attempts', { kind: 'lostAttempts', deliveryCount: 4 }, deadLetter('exhausted')],
    ['an expired message', { kind: 'expired', detail: 'x' }, deadLetter('expired')],
    ['a message that is not due', { kind: 'notDue', dueAt: 7 }, { kind: 'schedule', dueAt: 7 }],
    ['an endpoint without capacity', { kind: 'noCapacity', reason: 'paused: maintenance' }, PARK],
    ['a shutdown of this worker', { kind: 'aborted' }, PARK],
    ['a local fault', { kind: 'localFault', code: 'EMFILE' }, PARK],
  ])('after %s (%o) is %o', (_, outcome, expected) => {
    expect(verdict(outcome)).toEqual(expected);
  });

  it.each<[string, Outcome]>([
    ['500', responded(500)],
    ['a time-out', timedOut],
    ['an endpoint that cannot be reached', unreachable],
  ])('after %s is to retry until the last attempt, and then to dead-letter', (_, outcome) => {
    expect([1, 2, 3, 4].map((attemptNumber) => verdict(outcome, attemptNumber))).toEqual([
      retryAfter(1000),
      retryAfter(2000),
      deadLetter('exhausted'),
      deadLetter('exhausted'),
    ]);
  });

  it('after the first attempt is never to retry if one attempt is the maximum', () => {
    expect(verdict(responded(500), 1, { ...POLICY, maxAttempts: 1 })).toEqual(deadLetter('exhausted'));
  });

  it('has the delay of a longer Retry-After', () => {
    expect(verdict(responded(503, 60_000))).toEqual(retryAfter(60_000));
  });

  it.each<[string, Outcome]>([
    ['a shutdown', { kind: 'aborted' }],
    [
      'an endpoint without capacity',
      { kind: 'noCapacity', reason: 'earlier messages of the endpoint are parked' },
    ],
    ['a local fault', { kind: 'localFault', code: 'EMFILE' }],
  ])('after %s is to park even at the last attempt, since it does not count', (_, outcome) => {
    expect(verdict(outcome, 3)).toEqual(PARK);
  });

  it.each<RetryVia>(['nak', 'park'])('to retry happens in the given way: %s', (retryVia) => {
    expect(verdict(timedOut, 1, POLICY, retryVia)).toEqual({
      kind: 'retry',
      delayMs: 1000,
      retryVia,
    });
  });

  describe('on a message that expires', () => {
    const failed = { outcome: responded(503, 2000), startedAt: 1000, durationMs: 1 };
    const expiringAt = (at: number, attemptNumber = 1) =>
      decide(failed, attemptNumber, 'nak', POLICY, 0.5, { at, source: 'Webhook-Expires-At' });

    it('is to retry if the next attempt starts before the expiry', () => {
      expect(expiringAt(3002)).toEqual(retryAfter(2000));
    });

    it('is to dead-letter at once if the next attempt would start too late, and the detail says so', () => {
      const verdict = expiringAt(3001);
      expect(verdict).toMatchObject({ kind: 'deadLetter', reason: 'expired' });
      expect(deadLetterDetail(failed, verdict as Extract<Verdict, { kind: 'deadLetter' }>)).toBe(
        'HTTP 503; the next attempt would start at 1970-01-01T00:00:03.001Z, too late for Webhook-Expires-At, ' +
          '1970-01-01T00:00:03.001Z',
      );
    });

    it('does not depend on the expiry after the last attempt or a success', () => {
      expect(expiringAt(0, 3)).toEqual(deadLetter('exhausted'));
      const answered = { ...failed, outcome: responded(200) };
      const expiry = { at: 0, source: 'MAX_AGE_HOURS' } as const;
      expect(decide(answered, 1, 'nak', POLICY, 0.5, expiry)).toEqual({ kind: 'ack' });
    });
  });

  it('after 410 has the reason gone even if 410 is a terminal status', () => {
    expect(verdict(responded(410), 1, { ...POLICY, terminalStatuses: new Set([410]) })).toEqual(
      deadLetter('gone'),
    );
  });

  it('after an answer is to ack if and only if its status is a 2xx', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 999 }),
        fc.integer({ min: 1, max: 10 }),
        (status, attemptNumber) => {
          const acked = verdict(responded(status), attemptNumber).kind === 'ack';
          expect(acked).toBe(Math.floor(status / 100) === 2);
        },
      ),
    );
  });
});
