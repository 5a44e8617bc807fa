import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/core/message/delivery.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';
import type { DeliverySteps } from '../../../src/delivery/handle-message.ts';
import type { Message } from '../../../src/delivery/message.ts';
import { createOrderedSteps } from '../../../src/delivery/ordered/ordered-steps.ts';
import type { Undeliverable } from '../../../src/delivery/resolve.ts';
import { message } from '../messages.ts';

const KEY = 'webhooks.ordered.k';
/** To a row of `rule_webhooks`. */
const DELIVERY = { target: { endpointKey: 'shop' }, endpoint: {} } as unknown as Delivery;
const TOO_LARGE: Undeliverable = {
  id: 'orders:1',
  endpointKey: 'none',
  webhookId: null,
  outcome: { kind: 'undeliverable', reason: 'malformed', detail: 'too large' },
};

type Fakes = {
  readonly waitsBehind?: boolean;
  /** The ordering key and the endpoint key for which copies wait. */
  readonly backlog?: string;
  readonly isAcked?: boolean;
  /** How long the lease is valid, in milliseconds. @default without end */
  readonly leaseMs?: number;
  readonly tooLarge?: boolean;
  readonly leftToPeers?: string;
};

function createSteps(fakes: Fakes = {}) {
  const calls: string[] = [];
  const released: Attempt[] = [];
  const steps = createOrderedSteps<Message>({
    steps: {
      now: () => 1000,
      fanOut: async () => (fakes.tooLarge ? TOO_LARGE : null),
      settle: async () => ({ kind: 'ack' }),
    } as unknown as DeliverySteps<Message>,
    effects: {
      abandon: () => void calls.push('abandoned'),
      nak: (_, delayMs) => void calls.push(`nak'd for ${delayMs} ms`),
      isLeaseValid: (_, forMs = 0) => forMs < (fakes.leaseMs ?? Number.POSITIVE_INFINITY),
    },
    admission: {
      admit(_target, { isParkedCopy, cannotPark }) {
        calls.push(`admitted, parked copy ${isParkedCopy}, cannot park ${cannotPark}`);
        return { kind: 'permit', release: (attempt) => void released.push(attempt) };
      },
    },
    dispatcher: {
      mustWaitBehind: () => fakes.waitsBehind ?? false,
      onSettled: (_, { kind }) => void calls.push(`settled as ${kind}`),
    },
    holds: { isLeftToPeers: (key) => key === fakes.leftToPeers },
    reader: {
      onPublished: (key) => void calls.push(`published to ${key}`),
    },
    isAcked: async () => fakes.isAcked ?? false,
    copyOrder: {
      async mustWait({ orderingKey }, endpointKey) {
        calls.push(`looked for copies of ${orderingKey}/${endpointKey}`);
        return `${orderingKey}/${endpointKey}` === fakes.backlog;
      },
      onFanOut: () => void calls.push('fans out'),
    },
    copyKey: (orderingKey, endpointKey) => `${orderingKey}/${endpointKey}`,
    ackWaitMs: () => 60_000,
  });
  const given = message({}, { orderingKey: KEY });
  return { steps, calls, released, given };
}

describe('an ordered message', () => {
  it('is never parked: it waits for its next attempt in its stream, and deliveries by NATS do not count as attempts', () => {
    const { steps, given } = createSteps();
    expect([steps.retryVia(given, DELIVERY), steps.hasRequeued(given)]).toEqual(['nak', true]);
  });

  it('does not wait behind parked messages of its endpoint, which have a queue of their own', async () => {
    const { steps, calls, given } = createSteps();
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'permit' });
    expect(calls).toEqual([
      `looked for copies of ${KEY}/shop`,
      'admitted, parked copy true, cannot park false',
    ]);
  });

  it('waits behind ordered messages that wait for the same endpoint', async () => {
    const { steps, calls, given } = createSteps({ waitsBehind: true });
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'noCapacity' });
    expect(calls).toEqual([`looked for copies of ${KEY}/shop`]);
  });

  it('waits behind ordered copies for its endpoint, even if no worker has listed them', async () => {
    const { steps, calls, given } = createSteps({ backlog: `${KEY}/shop` });
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'noCapacity' });
    expect(calls).toEqual([`looked for copies of ${KEY}/shop`]);
  });

  it('does not wait behind ordered copies if it names its URL itself', async () => {
    const { steps, calls, given } = createSteps({ backlog: `${KEY}/shop` });
    expect(await steps.admit(given, { ...DELIVERY, endpoint: null })).toMatchObject({ kind: 'permit' });
    expect(calls).toEqual(['admitted, parked copy true, cannot park false']);
  });

  it('is not sent again if another worker has acked it meanwhile', async () => {
    const { steps, calls, given } = createSteps({ isAcked: true });
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'noCapacity' });
    expect(calls.at(-1)).toBe('abandoned');
  });

  it('is not sent, and its permit is released, if its lease may end during the attempt', async () => {
    const { steps, released, given } = createSteps({ leaseMs: 30_000 });
    expect(await steps.admit(given, DELIVERY)).toMatchObject({ kind: 'noCapacity' });
    expect(released).toMatchObject([{ outcome: { kind: 'noCapacity' }, durationMs: 0 }]);
    expect(await createSteps({ leaseMs: 30_001 }).steps.admit(given, DELIVERY)).toMatchObject({
      kind: 'permit',
    });
  });

  it('reports its disposition, because the next message of its ordering key waits for that', async () => {
    const { steps, calls, given } = createSteps();
    const attempt = { outcome: { kind: 'aborted' }, startedAt: 0, durationMs: 1 } as const;
    await steps.settle(given, DELIVERY, attempt, { kind: 'ack' });
    expect(calls).toEqual(['settled as ack']);
  });
});

describe('an ordered message that only a peer may send', () => {
  const attempt = { outcome: { kind: 'held', detail: 'x' }, startedAt: 0, durationMs: 0 } as const;

  it('is requeued at once, for the peer', async () => {
    const { steps, calls, given } = createSteps({ leftToPeers: 'shop' });
    expect(await steps.settle(given, DELIVERY, attempt, { kind: 'park' })).toEqual({
      kind: 'requeued',
      delayMs: 60_000,
    });
    expect(calls).toEqual(["nak'd for 0 ms", 'settled as requeued']);
  });

  it('is settled as usual if it goes to another endpoint', async () => {
    const { steps, calls, given } = createSteps({ leftToPeers: 'bank' });
    await steps.settle(given, DELIVERY, attempt, { kind: 'park' });
    expect(calls).toEqual(['settled as ack']);
  });
});

describe('an ordered message for several endpoints', () => {
  const fanOut = { id: 'orders:1', endpointKeys: ['shop', 'bank'], webhookIds: [1, 2] };

  it('is copied into one ordered queue per endpoint', async () => {
    const { steps, calls, given } = createSteps();
    expect(await steps.fanOut(given, fanOut)).toBeNull();
    expect(calls).toEqual(['fans out', `published to ${KEY}/shop`, `published to ${KEY}/bank`]);
  });

  it('is abandoned, and not copied, if another worker may have it', async () => {
    const { steps, calls, given } = createSteps({ leaseMs: 0 });
    expect(await steps.fanOut(given, fanOut)).toBeNull();
    expect(calls).toEqual(['abandoned']);
  });

  it('opens no queue if it is too large to be copied', async () => {
    const { steps, calls, given } = createSteps({ tooLarge: true });
    expect(await steps.fanOut(given, fanOut)).toBe(TOO_LARGE);
    expect(calls).toEqual(['fans out']);
  });
});
