import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { QueueKind } from '../../../src/delivery/parked/queue-kind.ts';
import type { QueuePolicy } from '../../../src/delivery/parked/queue-policy.ts';
import { QueueReader } from '../../../src/delivery/parked/queue-reader.ts';
import type { Logger } from '../../../src/runtime/logger.ts';

type Listed = ReadonlyMap<string, number> | null | Error;

/** A kind that opens nothing, and records its lists. */
function recordingKind(kind: string, policy: Pick<QueuePolicy<unknown>, 'owns' | 'listEveryMs'>) {
  const lists: Record<string, number>[] = [];
  const parked: string[] = [];
  const queueKind: QueueKind<unknown> = {
    policy: {
      kind,
      checkEveryMs: 50,
      maxOpen: 4,
      retryMs: null,
      isParkingActivity: false,
      next: () => [],
      isOver: () => false,
      opensAgain: () => false,
      credits: (available) => available,
      ...policy,
    },
    facts: () => null,
    available: () => 1,
    isTracked: () => true,
    onParked(key) {
      parked.push(key);
      return { key };
    },
    onListed(listed) {
      lists.push(Object.fromEntries(listed));
      return [];
    },
    isEmpty: () => false,
    onOpened() {},
    onMessage() {},
    onClosed() {},
  };
  return { queueKind, lists, parked };
}

let listed: Listed;
let isActive: boolean;
let asked: number;
let errors: string[];
let due: ReturnType<typeof recordingKind>;
let others: ReturnType<typeof recordingKind>;
let reader: QueueReader<unknown>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  listed = new Map();
  isActive = false;
  asked = 0;
  errors = [];
  due = recordingKind('scheduled', { owns: (key) => key.startsWith('at.'), listEveryMs: () => 0 });
  others = recordingKind('parked', {
    owns: () => true,
    listEveryMs: (count, active) => (count >= 3 ? 15_000 : active ? 250 : 5000),
  });
  reader = new QueueReader<unknown>({
    kinds: [due.queueKind, others.queueKind],
    log: { error: (_fields: object, event: string) => errors.push(event) } as unknown as Logger,
    isActive: () => isActive,
    now: () => performance.now(),
    queues: {
      async list() {
        asked++;
        if (listed instanceof Error) throw listed;
        return listed;
      },
      open: async () => null,
    },
  });
});
afterEach(async () => {
  await reader.stop();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const entries = (...keys: string[]) => new Map(keys.map((key) => [key, 3]));

describe('the list of the queues', () => {
  it('is divided: each queue goes to the first kind that owns its key', async () => {
    listed = entries('example-com-0a1b2c3d', 'at.2027-01-31T12:05', 'none');
    reader.start(() => {});
    await pass(0);
    expect(due.lists).toEqual([{ 'at.2027-01-31T12:05': 3 }]);
    expect(others.lists).toEqual([{ 'example-com-0a1b2c3d': 3, none: 3 }]);
    expect(asked).toBe(1);
  });

  it('tells a kind, too, that none of its queues holds a message', async () => {
    reader.start(() => {});
    await pass(0);
    expect([due.lists, others.lists]).toEqual([[{}], [{}]]);
  });

  it('tells nothing while NATS cannot tell', async () => {
    listed = null;
    reader.start(() => {});
    await pass(0);
    expect([due.lists, others.lists]).toEqual([[], []]);
  });

  it.each([
    ['every 5 s, if there are few queues', entries('a', 'b', 'at.1', 'at.2', 'at.3'), 4900, 5100],
    ['as rarely as the most numerous kind needs', entries('a', 'b', 'c'), 14_900, 15_100],
    ['after 5 s, if NATS could not tell', null, 4900, 5100],
    ['after 15 s, if it failed', new Error('no such stream'), 14_900, 15_100],
  ] as const)('is read again %s', async (_what, found, before, after) => {
    listed = found;
    reader.start(() => {});
    await pass(before);
    expect(asked).toBe(1);
    await pass(after - before);
    expect(asked).toBe(2);
  });

  it('is read again soon once the worker sends messages, also if it was read while the worker was idle', async () => {
    reader.start(() => {});
    await pass(1000);
    expect(asked).toBe(1);
    isActive = true;
    await pass(100);
    expect(asked).toBe(2);
    await pass(1000);
    expect(asked).toBeGreaterThanOrEqual(5);
  });

  it('is not read more often while NATS could not tell, although the worker sends', async () => {
    listed = null;
    isActive = true;
    reader.start(() => {});
    await pass(4900);
    expect(asked).toBe(1);
    listed = new Map();
    await pass(200);
    expect(asked).toBe(2);
    await pass(1000);
    expect(asked).toBeGreaterThanOrEqual(5);
  });

  it('is read again after a failure, which is logged', async () => {
    listed = new Error('no such stream');
    reader.start(() => {});
    await pass(0);
    expect(errors).toEqual(['queue.list_failed']);
  });
});

it('a message that this worker parked is told to the kind that owns the key', () => {
  reader.onParked('at.2027-01-31T12:05');
  reader.onParked('none');
  expect([due.parked, others.parked]).toEqual([['at.2027-01-31T12:05'], ['none']]);
});
