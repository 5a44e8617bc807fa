import { expect, test } from 'vitest';
import { OrderedQueueReader } from '../../../src/delivery/ordered/ordered-reader.ts';
import type { QueueSink } from '../../../src/delivery/queue-pool.ts';
import { createLogger } from '../../../src/runtime/logger.ts';
import { HandClock } from '../../support/hand-clock.ts';

async function open(
  queues: Record<string, number>,
  { mostOpen: maxOpenQueues = 2, mostKnown: maxTrackedQueues = 1000 } = {},
) {
  const clock = new HandClock();
  const held = new Map(Object.entries(queues));
  const owners = new Map<string, QueueSink<{ readonly pending: number }>>();
  const opened: string[] = [];
  let hint = (_queue: string) => {};
  let isRefused = false;
  const keys = new OrderedQueueReader<{ readonly pending: number }>({
    queues: {
      list: async () => new Map(held),
      async open(queue, owner) {
        opened.push(queue);
        if (isRefused) return null;
        owners.set(queue, owner);
        return {
          outstanding: () => 1,
          pullMore: () => {},
          stop: async () => void owners.delete(queue),
        };
      },
      listen(noticed) {
        hint = noticed;
        return () => {
          hint = () => {};
        };
      },
    },
    maxOpenQueues,
    maxTrackedQueues,
    mayPull: () => true,
    log: await createLogger({ level: 'silent', format: 'json' }),
    clock,
  });
  keys.start(() => {});
  const pass = (ms: number) => clock.advanceAsync(ms);
  await pass(100);
  return {
    keys,
    held,
    opened,
    pass,
    notice: (queue: string) => hint(queue),
    refuse: () => {
      isRefused = true;
    },
    isOpen: (queue: string) => owners.has(queue),
    come: (queue: string, pending: number) => owners.get(queue)!.onMessage({ pending }),
    /** Delivers a message and settles it. */
    deliver(queue: string, pending: number) {
      owners.get(queue)!.onMessage({ pending });
      held.set(queue, pending);
      if (pending === 0) held.delete(queue);
      keys.onSettled(queue, pending, 0);
    },
  };
}

test('queues with messages are opened, and a queue to which a message is published is opened at once', async () => {
  const { notice, isOpen, pass } = await open({ a: 3 });
  expect(isOpen('a')).toBe(true);
  notice('b');
  await pass(0);
  expect(isOpen('b')).toBe(true);
});

test('queues take turns if there are more than may be open, and an empty queue is closed soon', async () => {
  const { isOpen, pass, deliver } = await open({ a: 1, b: 1, c: 1 });
  expect([isOpen('a'), isOpen('b'), isOpen('c')]).toEqual([true, true, false]);
  deliver('a', 0);
  await pass(400);
  expect(isOpen('c')).toBe(true);
});

test('a queue whose message waits for capacity is closed at once, and opened again when the message is settled', async () => {
  const { keys, isOpen, pass, come } = await open({ a: 2, b: 1 }, { mostOpen: 1 });
  come('a', 1);
  keys.onBlocked('a');
  await pass(50);
  expect([isOpen('a'), isOpen('b')]).toEqual([false, true]);
  await pass(30_000);
  expect(isOpen('a')).toBe(false);
  keys.onSettled('a', 1, 0);
  await pass(1000);
  expect(isOpen('a')).toBe(true);
});

test('a queue whose message waits for a retry is not opened before the retry', async () => {
  const { keys, opened, isOpen, pass, notice } = await open({ a: 2 });
  keys.onSettled('a', 1, 8000);
  expect(isOpen('a')).toBe(false);
  notice('a');
  await pass(7900);
  expect(opened).toEqual(['a']);
  await pass(200);
  expect(opened).toEqual(['a', 'a']);
});

test('a queue whose message comes again in days is opened before, because an operator may remove the message', async () => {
  const { keys, opened, pass } = await open({ a: 2 });
  keys.onSettled('a', 1, 30 * 86_400_000);
  await pass(14_000);
  expect(opened).toEqual(['a']);
  await pass(2000);
  expect(opened).toEqual(['a', 'a']);
});

test('a queue that delivers nothing while other queues wait is opened less and less often', async () => {
  const { opened, pass } = await open({ a: 1, b: 1, c: 1, d: 1 }, { mostOpen: 1 });
  await pass(60_000);
  const inAMinute = opened.length;
  expect(inAMinute).toBeGreaterThan(10);
  expect(inAMinute).toBeLessThan(60);
});

test('a queue that cannot be opened is not tried again at once', async () => {
  const { opened, pass, refuse, notice } = await open({});
  refuse();
  notice('a');
  await pass(900);
  expect(opened).toEqual(['a']);
});

test('no more queues are tracked than maxTrackedQueues, and the other queues have their turn later', async () => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, 1]));
  const { opened, pass, isOpen, deliver } = await open(many, { mostOpen: 4, mostKnown: 5 });
  for (let round = 0; round < 100; round++) {
    for (const queue of Object.keys(many)) if (isOpen(queue)) deliver(queue, 0);
    await pass(1000);
  }
  expect(new Set(opened).size).toBe(50);
});

test('no queue is open after a stop', async () => {
  const { keys, isOpen, notice, pass } = await open({ a: 1 });
  await keys.stop();
  notice('b');
  await pass(10_000);
  expect([isOpen('a'), isOpen('b')]).toEqual([false, false]);
});
