import { describe, expect, it } from 'vitest';
import { callHeader, callKeyOf, callMessageId, callResultOf } from '../../../src/core/records/call-result.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';

const key = { installationId: '3f0d6a6e-5f3e-4c29-8d75-0b6f4f6f7a11', callId: 17, retryCount: 2 };
const id = callMessageId(key);

describe('the call of a message', () => {
  it('is read from both of its ids', () => {
    expect(id).toBe('call-3f0d6a6e-5f3e-4c29-8d75-0b6f4f6f7a11-17-2');
    expect(callKeyOf(callHeader(key), id)).toEqual(key);
  });

  it.each([
    ['no header', undefined, id],
    ['a header of another call', '18.2', id],
    ['a header of another retry', '17.1', id],
    ['an id of another kind', '17.2', 'outbox-17-2'],
    ['a number that PostgreSQL does not hold', '4294967296.2', id.replace('-17-', '-4294967296-')],
  ])('is none with %s', (_, header, deliveryId) => {
    expect(callKeyOf(header, deliveryId)).toBeNull();
  });
});

describe('what is written into a call', () => {
  const responded = (status: number): Attempt => ({
    outcome: { kind: 'responded', status, retryAfterMs: null, excerpt: status < 300 ? null : 'no' },
    startedAt: 1000,
    durationMs: 5,
  });

  it('after a success', () => {
    expect(callResultOf(key, 3, responded(204), { kind: 'ack' })).toMatchObject({
      end: 'success',
      attempt: { number: 3, startedAt: 1000, durationMs: 5 },
      status: 204,
      error: null,
      attempts: 3,
    });
  });

  it('after a failure that is retried: only the attempt', () => {
    const retry = { kind: 'retry', delayMs: 1, retryVia: 'nak' } as const;
    expect(callResultOf(key, 1, responded(500), retry)).toMatchObject({ end: null, error: 'HTTP 500' });
  });

  it('after the last failure', () => {
    const given = { kind: 'deadLetter', reason: 'exhausted' } as const;
    expect(callResultOf(key, 4, responded(500), given)).toMatchObject({
      end: 'failed',
      error: expect.stringMatching(/^exhausted: HTTP 500/),
      responseExcerpt: 'no',
      attempts: 4,
    });
  });

  it('nothing while the message is parked, unsent', () => {
    const unsent: Attempt = { outcome: { kind: 'noCapacity', reason: 'full' }, startedAt: 1, durationMs: 0 };
    expect(callResultOf(key, 1, unsent, { kind: 'park' })).toBeNull();
  });
});
