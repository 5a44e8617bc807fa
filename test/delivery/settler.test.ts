import { describe, expect, it } from 'vitest';
import type { Attempt, Outcome } from '../../src/core/retry/attempt.ts';
import type { Verdict } from '../../src/core/retry/verdict.ts';
import type { Message } from '../../src/delivery/message.ts';
import { Settler } from '../../src/delivery/settler.ts';
import { message } from './messages.ts';

const NOW = Date.parse('2027-01-31T12:00:00Z');
const KEY = { id: 'orders:1', endpointKey: 'example-com-0a1b2c3d' };
const FAILED: Outcome = { kind: 'responded', status: 500, retryAfterMs: null, excerpt: '' };
const NO_CAPACITY: Outcome = { kind: 'noCapacity', reason: 'its circuit breaker is open' };
const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: NOW, durationMs: 5 });

type World = {
  /** @default every stream takes what it is given */
  readonly isParked?: boolean;
  readonly isStored?: boolean;
  readonly fits?: boolean;
  readonly isLeaseValid?: boolean;
  /** @default there is no memory left */
  readonly isHeld?: boolean;
  readonly random?: number;
};

/** A settler over effects that write down what they are asked for. */
function open(world: World = {}) {
  const done: string[] = [];
  const settler = new Settler<Message>({
    effects: {
      ack: () => void done.push('ack'),
      nak: (_, delayMs) => void done.push(`nak ${delayMs}`),
      async park(_, copies) {
        for (const { endpointKey, attempts, notBefore } of copies)
          done.push(
            `park for ${endpointKey}, ${attempts} attempts${notBefore === null ? '' : `, in ${notBefore - NOW} ms`}`,
          );
        return world.isParked ?? true;
      },
      fits: () => world.fits ?? true,
      async deadLetter(_, { reason, detail, attempts }) {
        done.push(`dead letter ${reason}, ${attempts} attempts: ${detail}`);
        return world.isStored ?? true;
      },
      abandon: () => void done.push('abandon'),
      isLeaseValid: () => world.isLeaseValid ?? true,
    },
    deferred: { defer: () => (world.isHeld ?? false) && done.push('hold') > 0 },
    ordered: { defer: (_, key) => (world.isHeld ?? false) && done.push(`hold in order for ${key}`) > 0 },
    now: () => NOW,
    random: () => world.random ?? 0.5,
  });
  const settle = (verdict: Verdict, outcome: Outcome, given: Partial<Message> = {}) =>
    settler.settle(message({}, given), KEY, attempt(outcome), verdict);
  return { settler, settle, done };
}

describe('a message', () => {
  it.each([
    { kind: 'ack' },
    { kind: 'discard' },
  ] as const)('that is decided as %o is acked', async (verdict) => {
    const { settle, done } = open();
    expect(await settle(verdict, FAILED)).toEqual(verdict);
    expect(done).toEqual(['ack']);
  });

  it('that is retried in its stream is delivered again after its delay', async () => {
    const { settle, done } = open();
    const verdict = { kind: 'retry', delayMs: 2000, retryVia: 'nak' } as const;
    expect(await settle(verdict, FAILED)).toEqual(verdict);
    expect(done).toEqual(['nak 2000']);
  });

  it('that is retried from its parked queue counts its attempt, and is not sent before its delay is over', async () => {
    const { settle, done } = open();
    const verdict = { kind: 'retry', delayMs: 2000, retryVia: 'park' } as const;
    expect(await settle(verdict, FAILED, { attemptNumber: 3 })).toEqual(verdict);
    expect(done).toEqual([`park for ${KEY.endpointKey}, 3 attempts, in 2000 ms`]);
  });

  it('that the parked stream refuses is retried in its stream', async () => {
    const { settle, done } = open({ isParked: false });
    const verdict = { kind: 'retry', delayMs: 2000, retryVia: 'park' } as const;
    expect(await settle(verdict, FAILED)).toEqual({ ...verdict, retryVia: 'nak' });
    expect(done.at(-1)).toBe('nak 2000');
  });

  it('without capacity is parked, and no attempt is counted', async () => {
    const { settle, done } = open();
    expect(await settle({ kind: 'park' }, NO_CAPACITY, { attemptNumber: 3 })).toEqual({ kind: 'park' });
    expect(done).toEqual([`park for ${KEY.endpointKey}, 2 attempts`]);
  });

  it('without capacity that the parked stream refuses is held here', async () => {
    const { settle, settler, done } = open({ isParked: false, isHeld: true });
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
  ])('without capacity that can be neither parked nor held, at delivery %d, random %d, is requeued after %d ms', async (deliveryCount, random, delayMs) => {
    const { settle, settler, done } = open({ isParked: false, random });
    expect(settler.hasRequeued()).toBe(false);
    const disposition = await settle({ kind: 'park' }, NO_CAPACITY, { deliveryCount });
    expect(disposition).toEqual({ kind: 'requeued', delayMs });
    expect([done.at(-1), settler.hasRequeued()]).toEqual([`nak ${delayMs}`, true]);
  });

  it('that is given up is a dead letter, with the attempts that were made and the reason', async () => {
    const { settle, done } = open();
    const verdict = { kind: 'deadLetter', reason: 'exhausted' } as const;
    expect(await settle(verdict, FAILED, { attemptNumber: 7 })).toEqual(verdict);
    expect(done).toEqual(['dead letter exhausted, 7 attempts: HTTP 500']);
  });

  it('whose dead letter is not stored is requeued after 5 s', async () => {
    const { settle, done } = open({ isStored: false });
    const disposition = await settle({ kind: 'deadLetter', reason: 'gone' }, FAILED);
    expect(disposition).toEqual({ kind: 'requeued', delayMs: 5000 });
    expect(done.at(-1)).toBe('nak 5000');
  });

  it('that is not due waits in the queue of its minute, and no attempt is counted', async () => {
    const { settle, done } = open();
    const verdict = { kind: 'schedule', dueAt: NOW + 300_000 } as const;
    expect(await settle(verdict, { kind: 'notDue', dueAt: verdict.dueAt })).toEqual(verdict);
    expect(done).toEqual(['park for at.2027-01-31T12:05, 0 attempts, in 300000 ms']);
  });

  it.each([
    ['too large for a copy', { fits: false }, {}],
    ['in order', {}, { orderingKey: 'webhooks.ordered.k' }],
  ])('that is not due and %s waits in its stream', async (_what, world, given) => {
    const { settle, done } = open(world);
    const verdict = { kind: 'schedule', dueAt: NOW + 300_000 } as const;
    const disposition = await settle(verdict, { kind: 'notDue', dueAt: verdict.dueAt }, given);
    expect(disposition).toEqual({ kind: 'requeued', delayMs: 300_000 });
    expect(done).toEqual(['nak 300000']);
  });

  it('that is not due for years waits in its stream for a month at a time', async () => {
    const { settle, done } = open({ fits: false });
    const dueAt = NOW + 10 * 365 * 86_400_000;
    await settle({ kind: 'schedule', dueAt }, { kind: 'notDue', dueAt });
    expect(done).toEqual([`nak ${30 * 86_400_000}`]);
  });
});

describe('a message that keeps its order', () => {
  const given = { orderingKey: 'webhooks.ordered.k' };

  it('is never parked for want of capacity: it is held here', async () => {
    const { settle, done } = open({ isHeld: true });
    expect(await settle({ kind: 'park' }, NO_CAPACITY, given)).toEqual({ kind: 'deferred' });
    expect(done).toEqual([`hold in order for ${KEY.endpointKey}`]);
  });

  it('is requeued if there is no memory left for it', async () => {
    const { settle, done } = open();
    expect(await settle({ kind: 'park' }, NO_CAPACITY, given)).toEqual({ kind: 'requeued', delayMs: 2000 });
    expect(done).toEqual(['nak 2000']);
  });

  it('is left alone if another worker may have it', async () => {
    const { settle, done } = open({ isLeaseValid: false, isHeld: true });
    expect(await settle({ kind: 'park' }, NO_CAPACITY, given)).toEqual({ kind: 'requeued', delayMs: 0 });
    expect(done).toEqual(['abandon']);
  });
});

describe('a message of several endpoints', () => {
  it('is copied for each, as a delivery of which no attempt was made', async () => {
    const { settler, done } = open();
    const disposition = await settler.fanOut(message({}, { attemptNumber: 4 }), 'orders:1', ['one', 'two']);
    expect(disposition).toEqual({ kind: 'park' });
    expect(done).toEqual(['park for one, 0 attempts', 'park for two, 0 attempts']);
  });

  it('is held as a whole if one copy is refused', async () => {
    const { settler, done } = open({ isParked: false, isHeld: true });
    expect(await settler.fanOut(message({}), 'orders:1', ['one', 'two'])).toEqual({ kind: 'deferred' });
    expect(done.at(-1)).toBe('hold');
  });
});
