import { describe, expect, it } from 'vitest';
import type { Attempt, Outcome } from '../../src/core/retry/attempt.ts';
import type { Verdict } from '../../src/core/retry/verdict.ts';
import type { Message } from '../../src/delivery/message.ts';
import { Settler } from '../../src/delivery/settler.ts';
import { message } from './messages.ts';

const NOW = Date.parse('2027-01-31T12:00:00Z');
const KEY = { id: 'orders:1', endpointKey: 'example-com-0a1b2c3d', webhookId: 17 };
const FAILED: Outcome = { kind: 'responded', status: 500, retryAfterMs: null, excerpt: '' };
const NO_CAPACITY: Outcome = {
  kind: 'noCapacity',
  reason: 'the circuit breaker of the endpoint is open',
};
const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: NOW, durationMs: 5 });

type Fakes = {
  /** @default true: the parked stream stores every copy */
  readonly isParked?: boolean;
  readonly isStored?: boolean;
  readonly fits?: boolean;
  readonly isLeaseValid?: boolean;
  /** @default false: no memory is left */
  readonly isHeld?: boolean;
  readonly random?: number;
};

/** A settler whose effects record each call in `done`. */
function createSettler(fakes: Fakes = {}) {
  const done: string[] = [];
  /** The keys that stay the same while a URL is split off: of copies and dead letters. */
  const lastingKeys: (string | undefined)[] = [];
  const settler = new Settler<Message>({
    effects: {
      ack: () => void done.push('ack'),
      nak: (_, delayMs) => void done.push(`nak ${delayMs}`),
      async park(_, copies) {
        lastingKeys.push(...copies.map(({ lastingKey }) => lastingKey));
        for (const { endpointKey, webhookId, attempts, notBefore } of copies)
          done.push(
            `park for ${endpointKey}${webhookId === null || webhookId === 17 ? '' : ` of row ${webhookId}`}, ${attempts} attempts${notBefore === null ? '' : `, in ${notBefore - NOW} ms`}`,
          );
        return fakes.isParked ?? true;
      },
      copyObstacle: () => ((fakes.fits ?? true) ? null : 'the limit is 7 bytes'),
      async deadLetter(_, { webhookId, reason, detail, attempts, endpointKey }) {
        lastingKeys.push(endpointKey);
        done.push(`dead letter ${reason}, row ${webhookId}, ${attempts} attempts: ${detail}`);
        return fakes.isStored ?? true;
      },
      abandon: () => void done.push('abandon'),
      isLeaseValid: () => fakes.isLeaseValid ?? true,
    },
    deferred: { defer: () => (fakes.isHeld ?? false) && done.push('hold') > 0 },
    ordered: { defer: (_, key) => (fakes.isHeld ?? false) && done.push(`hold in order for ${key}`) > 0 },
    now: () => NOW,
    random: () => fakes.random ?? 0.5,
  });
  const settle = (verdict: Verdict, outcome: Outcome, given: Partial<Message> = {}) =>
    settler.settle(message({}, given), KEY, attempt(outcome), verdict);
  return { settler, settle, done, lastingKeys };
}

describe('a message', () => {
  it.each([
    { kind: 'ack' },
    { kind: 'discard' },
  ] as const)('is acked if its verdict is %o', async (verdict) => {
    const { settle, done } = createSettler();
    expect(await settle(verdict, FAILED)).toEqual(verdict);
    expect(done).toEqual(['ack']);
  });

  it('is delivered again after its delay if its retry waits in its stream', async () => {
    const { settle, done } = createSettler();
    const verdict = { kind: 'retry', delayMs: 2000, retryVia: 'nak' } as const;
    expect(await settle(verdict, FAILED)).toEqual(verdict);
    expect(done).toEqual(['nak 2000']);
  });

  it('is parked with its failed attempt and its delay if its retry waits in the parked queue', async () => {
    const { settle, done } = createSettler();
    const verdict = { kind: 'retry', delayMs: 2000, retryVia: 'park' } as const;
    expect(await settle(verdict, FAILED, { attemptNumber: 3 })).toEqual(verdict);
    expect(done).toEqual([`park for again.${KEY.endpointKey}, 3 attempts, in 2000 ms`]);
  });

  const TTL = { header: (name: string) => (name === 'Nats-TTL' ? '60s' : undefined) };
  const EXPIRED = { kind: 'deadLetter', reason: 'expired' } as const;

  it('with a Nats-TTL is parked if its dead letter cannot be stored, because NATS would remove the message', async () => {
    const { settle, done } = createSettler({ isStored: false });
    expect(await settle(EXPIRED, FAILED, { ...TTL, attemptNumber: 2 })).toEqual({ kind: 'park' });
    expect(done.slice(1)).toEqual([`park for again.${KEY.endpointKey}, 2 attempts, in 5000 ms`]);
  });

  it.each([
    ['a parked copy', { isParkedCopy: true }, {}],
    ['an ordered message', { orderingKey: 'webhooks.ordered.a' }, {}],
    ['a message that cannot be parked', {}, { isParked: false }],
  ] as const)('with a Nats-TTL is requeued if its dead letter cannot be stored and it is %s', async (_what, given, fakes) => {
    const { settle, done } = createSettler({ ...fakes, isStored: false });
    expect(await settle(EXPIRED, FAILED, { ...TTL, ...given })).toMatchObject({ kind: 'requeued' });
    expect(done.at(-1)).toBe('nak 5000');
  });

  it('is retried in its stream if the parked stream refuses its copy', async () => {
    const { settle, done } = createSettler({ isParked: false });
    const verdict = { kind: 'retry', delayMs: 2000, retryVia: 'park' } as const;
    expect(await settle(verdict, FAILED)).toEqual({ ...verdict, retryVia: 'nak' });
    expect(done.at(-1)).toBe('nak 2000');
  });

  it('is parked, and no attempt is counted, if its endpoint has no capacity', async () => {
    const { settle, done } = createSettler();
    expect(await settle({ kind: 'park' }, NO_CAPACITY, { attemptNumber: 3 })).toEqual({ kind: 'park' });
    expect(done).toEqual([`park for again.${KEY.endpointKey}, 2 attempts`]);
  });

  it('is held in memory if its endpoint has no capacity and the parked stream refuses its copy', async () => {
    const { settle, settler, done } = createSettler({ isParked: false, isHeld: true });
    let detached = 0;
    const given = { detach: () => void detached++ };
    expect(await settle({ kind: 'park' }, NO_CAPACITY, given)).toEqual({ kind: 'deferred' });
    expect([done.at(-1), detached, settler.hasRequeued()]).toEqual(['hold', 1, false]);
  });

  it.each([
    [1, 0, 1000],
    [1, 0.999, 2998],
    [2, 0.5, 4000],
    [30, 0.5, 60_000],
  ])('is requeued if it can be neither parked nor held (delivery %d, random number %d: after %d ms)', async (deliveryCount, random, delayMs) => {
    const { settle, settler, done } = createSettler({ isParked: false, random });
    expect(settler.hasRequeued()).toBe(false);
    const disposition = await settle({ kind: 'park' }, NO_CAPACITY, { deliveryCount });
    expect(disposition).toEqual({ kind: 'requeued', delayMs });
    expect([done.at(-1), settler.hasRequeued()]).toEqual([`nak ${delayMs}`, true]);
  });

  it('becomes a dead letter with its number of attempts and its reason if it is given up', async () => {
    const { settle, done } = createSettler();
    const verdict = { kind: 'deadLetter', reason: 'exhausted' } as const;
    expect(await settle(verdict, FAILED, { attemptNumber: 7 })).toEqual(verdict);
    expect(done).toEqual(['dead letter exhausted, row 17, 7 attempts: HTTP 500']);
  });

  it('of a URL that is split off keeps the key of its origin in its dead letter and in the ids of its copies', async () => {
    const { settler, lastingKeys } = createSettler();
    const key = {
      id: 'orders:1',
      endpointKey: 'example-com-11111111',
      webhookId: null,
      lastingKey: KEY.endpointKey,
    };
    const failed = attempt({ kind: 'responded', status: 500, retryAfterMs: null, excerpt: null });
    await settler.settle(message({}), key, failed, { kind: 'park' });
    await settler.settle(message({}), key, failed, { kind: 'retry', delayMs: 1000, retryVia: 'park' });
    await settler.settle(message({}), key, failed, { kind: 'deadLetter', reason: 'exhausted' });
    expect(lastingKeys).toEqual([KEY.endpointKey, KEY.endpointKey, KEY.endpointKey]);
  });

  it('is requeued after 5 s if its dead letter is not stored', async () => {
    const { settle, done } = createSettler({ isStored: false });
    const disposition = await settle({ kind: 'deadLetter', reason: 'gone' }, FAILED);
    expect(disposition).toEqual({ kind: 'requeued', delayMs: 5000 });
    expect(done.at(-1)).toBe('nak 5000');
  });

  it('waits in the queue of its minute, and no attempt is counted, if it is not due', async () => {
    const { settle, done } = createSettler();
    const verdict = { kind: 'schedule', dueAt: NOW + 300_000 } as const;
    expect(await settle(verdict, { kind: 'notDue', dueAt: verdict.dueAt })).toEqual(verdict);
    expect(done).toEqual(['park for at.2027-01-31T12:05, 0 attempts, in 300000 ms']);
  });

  it('waits in the queue of its endpoint if it is a copy for one endpoint, and early by the clock of this worker', async () => {
    const { settle, done } = createSettler();
    const dueAt = NOW + 150;
    const given = { isParkedCopy: true, parkedEndpointKey: KEY.endpointKey };
    expect(await settle({ kind: 'schedule', dueAt }, { kind: 'notDue', dueAt }, given)).toEqual({
      kind: 'park',
    });
    expect(done).toEqual([`park for ${KEY.endpointKey}, 0 attempts, in 150 ms`]);
  });

  it.each([
    ['is too large for a copy', { fits: false }, {}],
    ['is ordered', {}, { orderingKey: 'webhooks.ordered.k' }],
  ])('waits in its stream if it is not due and %s', async (_what, fakes, given) => {
    const { settle, done } = createSettler(fakes);
    const verdict = { kind: 'schedule', dueAt: NOW + 300_000 } as const;
    const disposition = await settle(verdict, { kind: 'notDue', dueAt: verdict.dueAt }, given);
    expect(disposition).toEqual({ kind: 'requeued', delayMs: 300_000 });
    expect(done).toEqual(['nak 300000']);
  });

  it('waits in its stream for a month at a time if it is due in years', async () => {
    const { settle, done } = createSettler({ fits: false });
    const dueAt = NOW + 10 * 365 * 86_400_000;
    await settle({ kind: 'schedule', dueAt }, { kind: 'notDue', dueAt });
    expect(done).toEqual([`nak ${30 * 86_400_000}`]);
  });
});

describe('an ordered message', () => {
  const given = { orderingKey: 'webhooks.ordered.k' };

  it('is held in memory, and never parked, if its endpoint has no capacity', async () => {
    const { settle, done } = createSettler({ isHeld: true });
    expect(await settle({ kind: 'park' }, NO_CAPACITY, given)).toEqual({ kind: 'deferred' });
    expect(done).toEqual([`hold in order for ${KEY.endpointKey}`]);
  });

  it('is requeued if no memory is left', async () => {
    const { settle, done } = createSettler();
    expect(await settle({ kind: 'park' }, NO_CAPACITY, given)).toEqual({ kind: 'requeued', delayMs: 2000 });
    expect(done).toEqual(['nak 2000']);
  });

  it('is abandoned if another worker may have it', async () => {
    const { settle, done } = createSettler({ isLeaseValid: false, isHeld: true });
    expect(await settle({ kind: 'park' }, NO_CAPACITY, given)).toEqual({ kind: 'requeued', delayMs: 0 });
    expect(done).toEqual(['abandon']);
  });
});

describe('a message for several endpoints', () => {
  const FAN_OUT = { id: 'orders:1', endpointKeys: ['one', 'two'], webhookIds: [1, 2] };

  it('is copied for each endpoint, and each copy is a delivery without attempts', async () => {
    const { settler, done } = createSettler();
    const disposition = await settler.fanOut(message({}, { attemptNumber: 4 }), FAN_OUT);
    expect(disposition).toEqual({ kind: 'park' });
    expect(done).toEqual(['park for one of row 1, 0 attempts', 'park for two of row 2, 0 attempts']);
  });

  it('is held as a whole if the parked stream refuses a copy', async () => {
    const { settler, done } = createSettler({ isParked: false, isHeld: true });
    expect(await settler.fanOut(message({}), FAN_OUT)).toEqual({ kind: 'deferred' });
    expect(done.at(-1)).toBe('hold');
  });
});
