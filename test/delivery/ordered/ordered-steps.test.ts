import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/core/message/delivery.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';
import type { DeliverySteps } from '../../../src/delivery/handle-message.ts';
import type { Message } from '../../../src/delivery/message.ts';
import { createOrderedSteps } from '../../../src/delivery/ordered/ordered-steps.ts';
import type { Undeliverable } from '../../../src/delivery/resolve.ts';
import { message } from '../messages.ts';

const KEY = 'webhooks.ordered.k';
const DELIVERY = { target: { endpointKey: 'shop' }, endpoint: {} } as unknown as Delivery;
const TOO_LARGE: Undeliverable = {
  id: 'orders:1',
  endpointKey: 'none',
  outcome: { kind: 'undeliverable', reason: 'malformed', detail: 'too large' },
};

type World = {
  readonly waitsBehind?: boolean;
  readonly backlog?: string;
  readonly isAcked?: boolean;
  /** For how long the lease is valid, in milliseconds. @default for ever */
  readonly leaseMs?: number;
  readonly tooLarge?: boolean;
};

function open(world: World = {}) {
  const heard: string[] = [];
  const released: Attempt[] = [];
  const steps = createOrderedSteps<Message>({
    steps: {
      now: () => 1000,
      fanOut: async () => (world.tooLarge ? TOO_LARGE : null),
      settle: async () => ({ kind: 'ack' }),
    } as unknown as DeliverySteps<Message>,
    effects: {
      abandon: () => void heard.push('abandoned'),
      isLeaseValid: (_, forMs = 0) => forMs < (world.leaseMs ?? Number.POSITIVE_INFINITY),
    },
    admission: {
      admit(_target, { isParkedCopy, cannotPark }) {
        heard.push(`admitted, parked copy ${isParkedCopy}, cannot park ${cannotPark}`);
        return { kind: 'permit', release: (attempt) => void released.push(attempt) };
      },
    },
    dispatcher: {
      mustWaitBehind: () => world.waitsBehind ?? false,
      onSettled: (_, { kind }) => void heard.push(`settled as ${kind}`),
    },
    reader: {
      hasBacklog: (key) => key === world.backlog,
      onPublished: (key) => void heard.push(`published to ${key}`),
    },
    isAcked: async () => world.isAcked ?? false,
    copyKey: (orderingKey, endpointKey) => `${orderingKey}/${endpointKey}`,
    ackWaitMs: () => 60_000,
  });
  const given = message({}, { orderingKey: KEY });
  return { steps, heard, released, given };
}

describe('a message that keeps its order', () => {
  it('is never parked: it waits for its next attempt in its stream, and its deliveries are no attempts', () => {
    const { steps, given } = open();
    expect([steps.retryVia(given, DELIVERY), steps.hasRequeued(given)]).toEqual(['nak', true]);
  });

  it('passes parked messages of its endpoint, which have a queue of their own', async () => {
    const { steps, heard, given } = open();
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'permit' });
    expect(heard).toEqual(['admitted, parked copy true, cannot park false']);
  });

  it.each([
    ['messages that wait for the same endpoint', { waitsBehind: true }],
    ['copies that were made for its endpoint', { backlog: `${KEY}/shop` }],
  ])('waits behind %s', async (_what, world) => {
    const { steps, heard, given } = open(world);
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'noCapacity' });
    expect(heard).toEqual([]);
  });

  it('that is such a copy itself does not wait behind copies', async () => {
    const { steps } = open({ backlog: `${KEY}/shop` });
    const copy = message({}, { orderingKey: KEY, parkedEndpointKey: 'shop' });
    expect(await steps.admit(copy, DELIVERY)).toMatchObject({ kind: 'permit' });
  });

  it('is not sent again if a late worker has acked it', async () => {
    const { steps, heard, given } = open({ isAcked: true });
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'noCapacity' });
    expect(heard).toEqual(['abandoned']);
  });

  it('is not sent unless an attempt ends before another worker can have it, and its permit is released', async () => {
    const { steps, released, given } = open({ leaseMs: 30_000 });
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'noCapacity' });
    expect(released).toMatchObject([{ outcome: { kind: 'noCapacity' }, durationMs: 0 }]);
    expect(await open({ leaseMs: 30_001 }).steps.admit(given, DELIVERY)).toMatchObject({ kind: 'permit' });
  });

  it('tells what was done, since the next message of its key waits for that', async () => {
    const { steps, heard, given } = open();
    const attempt = { outcome: { kind: 'aborted' }, startedAt: 0, durationMs: 1 } as const;
    await steps.settle(given, DELIVERY, attempt, { kind: 'ack' });
    expect(heard).toEqual(['settled as ack']);
  });
});

describe('a message that keeps its order at several endpoints', () => {
  const fanOut = { id: 'orders:1', endpointKeys: ['shop', 'bank'] };

  it('is copied into a queue of its key for each', async () => {
    const { steps, heard, given } = open();
    expect(await steps.fanOut(given, fanOut)).toBeNull();
    expect(heard).toEqual([`published to ${KEY}/shop`, `published to ${KEY}/bank`]);
  });

  it('is not copied if another worker may have copied it, and the next one', async () => {
    const { steps, heard, given } = open({ leaseMs: 0 });
    expect(await steps.fanOut(given, fanOut)).toBeNull();
    expect(heard).toEqual(['abandoned']);
  });

  it('that is too large opens no queue', async () => {
    const { steps, heard, given } = open({ tooLarge: true });
    expect(await steps.fanOut(given, fanOut)).toBe(TOO_LARGE);
    expect(heard).toEqual([]);
  });
});
