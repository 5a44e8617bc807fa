import { describe, expect, it } from 'vitest';
import { describeFailure, type Outcome, wasSent } from '../../../src/core/retry/attempt.ts';

const responded = (status: number): Outcome => ({
  kind: 'responded',
  status,
  retryAfterMs: null,
  excerpt: 'secret',
});

describe('an attempt', () => {
  it.each<[Outcome, boolean, string | null]>([
    [responded(200), true, null],
    [responded(299), true, null],
    [responded(302), true, 'HTTP 302'],
    [{ ...responded(409), isDeclaredSuccess: true } as Outcome, true, null],
    [responded(500), true, 'HTTP 500'],
    [{ kind: 'timedOut', phase: 'connect', afterMs: 5000 }, true, 'no connection within 5000 ms'],
    [{ kind: 'timedOut', phase: 'response', afterMs: 30_000 }, true, 'no answer within 30000 ms'],
    [{ kind: 'unreachable', code: 'ENOTFOUND', detail: 'no such host' }, true, 'ENOTFOUND: no such host'],
    [{ kind: 'aborted' }, true, 'aborted by the shutdown of this worker'],
    [{ kind: 'held', detail: 'url is not a URL' }, false, 'url is not a URL'],
    [{ kind: 'blocked', detail: '10.0.0.1 is private' }, false, '10.0.0.1 is private'],
    [{ kind: 'localFault', code: 'EMFILE' }, false, 'this worker cannot send: EMFILE'],
    [{ kind: 'undeliverable', reason: 'malformed', detail: 'no method' }, false, 'no method'],
    [{ kind: 'deleteMarker', detail: 'a delete marker' }, false, 'a delete marker'],
    [
      { kind: 'lostAttempts', deliveryCount: 8 },
      false,
      'delivered 8 times by NATS without a result: each time the worker died, or the message could not be parked',
    ],
  ])('with the outcome %j may have been sent: %s; its failure is described as %j', (outcome, expectedSent, description) => {
    expect(wasSent(outcome)).toBe(expectedSent);
    expect(describeFailure(outcome)).toBe(description);
  });
});
