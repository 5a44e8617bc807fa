import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limits.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';
import { Admission } from '../../../src/delivery/admission/admission.ts';
import type { Permit } from '../../../src/delivery/admission/tracked-endpoint.ts';
import { ParkedKind } from '../../../src/delivery/parked/parked-kind.ts';
import { ParkedSlotShare } from '../../../src/delivery/parked/parked-share.ts';
import { QueueReader } from '../../../src/delivery/parked/queue-reader.ts';
import type { QueueSink } from '../../../src/delivery/queue-pool.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import type { Logger } from '../../../src/runtime/logger.ts';

type Parked = { readonly pending: number };

const SLOTS = 64;

/** How many messages NATS has in each parked queue. The fake consumers take none of them. */
let queued: Map<string, number>;
let drains: Map<string, QueueSink<Parked>>;
let opened: string[];
/** A queue is open once this promise has resolved. */
let opening: Promise<void>;
let admission: Admission;
let drainer: QueueReader<Parked>;
let share: ParkedSlotShare;

function start(maxOpenQueues = 4): void {
  share = new ParkedSlotShare({
    admission,
    slots: SLOTS,
    free: () => SLOTS,
    outstanding: () => 0,
    now: () => performance.now(),
  });
  const now = () => performance.now();
  drainer = new QueueReader<Parked>({
    kinds: [new ParkedKind<Parked>({ admission, maxOpenQueues, share, now })],
    isActive: () => false,
    log: { error() {} } as unknown as Logger,
    now,
    queues: {
      list: async () => queued,
      async open(key, owner) {
        opened.push(key);
        await opening;
        drains.set(key, owner);
        return {
          outstanding: () => 0,
          pullMore() {},
          async stop() {
            drains.delete(key);
          },
        };
      },
    },
  });
  drainer.start(() => {});
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate', 'performance'] });
  queued = new Map();
  drains = new Map();
  opened = [];
  opening = Promise.resolve();
  admission = new Admission({
    slots: SLOTS,
    unresponsiveAfterMs: 200,
    retryAfterMaxMs: 3_600_000,
    maxEndpoints: 16,
    isBusy: () => false,
    limits: NO_LIMITS,
    log: { info() {} },
    clock: systemClock,
    random: () => 0.5,
  });
});
afterEach(async () => {
  await drainer.stop();
  vi.useRealTimers();
});

const target = (key: string) =>
  ({ endpointKey: key, origin: `https://${key}.example`, hostname: `${key}.example` }) as unknown as Target;
const answer = (status: number): Attempt => ({
  outcome: { kind: 'responded', status, retryAfterMs: null, excerpt: null },
  startedAt: 0,
  durationMs: 5,
});
const pass = (key: string, isParkedCopy: boolean) =>
  admission.admit(target(key), { isParkedCopy, isRetry: false, cannotPark: false }) as Permit;
const passes = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function fail(key: string): void {
  const all = Array.from({ length: 5 }, () => pass(key, false));
  for (const one of all) one.release(answer(503));
}

describe('more parked queues than tracked endpoints', () => {
  it('take turns, and each is probed in time, even if every endpoint fails', async () => {
    for (let number = 0; number < 100; number++) queued.set(`down-${number}`, 5);
    start();
    const seen = new Set<string>();
    for (let second = 0; second < 120; second++) {
      await passes(1000);
      for (const key of drains.keys()) {
        seen.add(key);
        const answered = admission.admit(target(key), {
          isParkedCopy: true,
          isRetry: false,
          cannotPark: false,
        });
        if ('release' in answered) answered.release(answer(503));
      }
      expect([...admission.endpoints()].length).toBeLessThanOrEqual(16);
    }
    expect(seen.size).toBe(100);
  });
});

describe('a parked queue', () => {
  it('of an earlier worker is read with one message first, and with more after a success', async () => {
    queued.set('a', 500);
    start();
    await passes(100);
    expect(drains.get('a')!.capacity()).toBe(1);
    pass('a', true).release(answer(200));
    expect(drains.get('a')!.capacity()).toBeGreaterThan(1);
  });

  it('of messages that this worker parks now is read as any other: a list may show them before they are confirmed', async () => {
    queued.set('a', 5);
    admission.endpointFor('a').rejectedAt = performance.now();
    start();
    await passes(100);
    expect(drains.get('a')!.capacity()).toBeGreaterThan(1);
  });

  it('is opened as soon as this worker parks a message there, if its endpoint has capacity', async () => {
    start();
    drainer.onParked('b');
    await passes(50);
    expect(opened).toEqual(['b']);
  });

  it('is opened once, even if more messages are parked while NATS opens it', async () => {
    let made = () => {};
    opening = new Promise((resolve) => {
      made = resolve;
    });
    start();
    drainer.onParked('b');
    await passes(50);
    drainer.onParked('b');
    await passes(200);
    made();
    await passes(200);
    expect(opened).toEqual(['b']);
  });

  it('is not opened while its endpoint fails, and is read with one message when a probe is due', async () => {
    start();
    fail('down');
    drainer.onParked('down');
    await passes(150);
    expect(opened).toEqual([]);
    await passes(200);
    expect(drains.get('down')!.capacity()).toBe(1);
  });

  it('is closed for a while if its probe fails', async () => {
    start();
    fail('down');
    drainer.onParked('down');
    await passes(1100);
    pass('down', true).release(answer(503));
    await passes(50);
    expect([...drains.keys()]).toEqual([]);
    await passes(2100);
    expect([...drains.keys()]).toEqual(['down']);
  });

  it('goes before new messages of its endpoint, until its last message is delivered', async () => {
    queued.set('a', 500);
    start();
    await passes(100);
    pass('a', true).release(answer(200));
    expect(
      admission.admit(target('a'), { isParkedCopy: false, isRetry: false, cannotPark: false }),
    ).toMatchObject({ kind: 'noCapacity' });
    queued.clear();
    drains.get('a')!.onMessage({ pending: 0 });
    expect(pass('a', false).kind).toBe('permit');
  });

  it('is asked for no more messages than it has', async () => {
    queued.set('a', 3);
    start();
    await passes(100);
    pass('a', true).release(answer(200));
    expect(drains.get('a')!.capacity()).toBe(3);
  });

  it('leaves a quarter of the slots to other messages', async () => {
    queued.set('a', 500);
    start();
    await passes(100);
    pass('a', true).release(answer(200));
    for (let count = 0; count < 47; count++) share.started();
    expect(drains.get('a')!.capacity()).toBe(1);
  });
});

describe('the queue of messages that were tried', () => {
  it('is read beside the other one, and sends nothing that comes now behind it', async () => {
    queued.set('a', 5).set('again.a', 500);
    start();
    await passes(100);
    pass('a', true).release(answer(200));
    await passes(100);
    expect([...drains.keys()].sort()).toEqual(['a', 'again.a']);
    drains.get('a')!.onMessage({ pending: 0 });
    expect(pass('a', false).kind).toBe('permit');
    expect(admission.endpointFor('a')).toMatchObject({ untried: { messages: 0 }, tried: { messages: 500 } });
    expect([...admission.endpoints()].map(({ key }) => key)).toEqual(['a']);
  });

  it('is not probed while a message waits that was not tried, unless that one does not come', async () => {
    start();
    fail('down');
    drainer.onParked('down');
    drainer.onParked('again.down');
    await passes(350);
    expect([...drains.keys()]).toEqual(['down']);
    await passes(1000);
    expect([...drains.keys()].sort()).toEqual(['again.down', 'down']);
  });
});

describe('more parked queues than may be open at once', () => {
  it('take turns', async () => {
    for (let number = 0; number < 10; number++) queued.set(`q${number}`, 1);
    start(4);
    await passes(100);
    expect(drains.size).toBe(4);
    await passes(3500);
    expect(new Set(opened).size).toBe(10);
  });
});

describe('an empty parked queue', () => {
  it('is known to be empty when NATS does not list it any more', async () => {
    queued.set('a', 500);
    start();
    await passes(100);
    queued.delete('a');
    await passes(5100);
    expect(admission.endpointFor('a')).toMatchObject({ untried: { messages: 0 }, hasBacklog: false });
  });

  it('does not stay open', async () => {
    start();
    drainer.onParked('a');
    await passes(50);
    drains.get('a')!.onMessage({ pending: 0 });
    await passes(25_000);
    expect(drains.size).toBe(0);
  });
});

it('as many slots are reserved for parked messages as there are, and at least a fortieth of all slots', async () => {
  start();
  expect(share.reservedSlots()).toBe(Math.floor(SLOTS / 40));
  queued.set('a', 5);
  await passes(5100);
  pass('a', true).release(answer(200));
  await passes(10);
  expect(share.reservedSlots()).toBe(5);
});
