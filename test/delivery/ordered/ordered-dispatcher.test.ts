import { expect, test } from 'vitest';
import type { TrackedEndpoint } from '../../../src/delivery/admission/tracked-endpoint.ts';
import { MemoryBudget } from '../../../src/delivery/memory-budget.ts';
import { OrderedDispatcher, type OrderedMessage } from '../../../src/delivery/ordered/ordered-dispatcher.ts';
import { HandClock } from '../../support/hand-clock.ts';

const HERE = 'here-0a1b2c3d';
const THERE = 'there-0a1b2c3d';
const ACK = { kind: 'ack' } as const;

function message(orderingKey: string, more: Partial<OrderedMessage> = {}): OrderedMessage {
  return { orderingKey, sequence: 1, publishedAt: 1, pending: 3, deliverySequence: 1, size: 10, ...more };
}

/** Each endpoint has capacity for `capacity` messages. A message keeps its slot until the test finishes it. */
function open({ slots = 100, bytes = 1_000_000, hasBacklog = false } = {}) {
  const clock = new HandClock();
  const inSlots = new Set<OrderedMessage>();
  const calls: string[] = [];
  const requeued: OrderedMessage[] = [];
  const capacity = { [HERE]: 0, [THERE]: 0 };
  const messages: OrderedDispatcher<OrderedMessage> = new OrderedDispatcher<OrderedMessage>({
    slots,
    free: () => slots - inSlots.size,
    admission: {
      endpointFor: (endpointKey) => ({ key: endpointKey, hasBacklog }) as TrackedEndpoint,
      capacityFor: ({ key }) => capacity[key as keyof typeof capacity],
    },
    budget: new MemoryBudget(bytes),
    reader: {
      onBlocked: (queue) => calls.push(`${queue} blocked`),
      onSettled: (queue, pending, delayMs) => calls.push(`${queue} settled, ${pending} more, ${delayMs} ms`),
    },
    effects: {
      nak: (each) => requeued.push(each),
      ack: (each) => calls.push(`${each.orderingKey} acked again`),
    },
    clock,
  });
  messages.start((each) => inSlots.add(each));
  const finish = (each: OrderedMessage) => {
    inSlots.delete(each);
    messages.onFinished(each);
    messages.onSlotFreed();
  };
  /** The endpoint of a message has no capacity, so the message is deferred. */
  const rejectAndDefer = (each: OrderedMessage, endpointKey: string) => {
    messages.mustWaitBehind(each, endpointKey);
    const isDeferred = messages.defer(each, endpointKey);
    messages.onSettled(each, { kind: 'deferred' });
    finish(each);
    return isDeferred;
  };
  return { clock, messages, inSlots, calls, requeued, capacity, finish, rejectAndDefer };
}

test('a message gets a slot at once, and the reader is told that it is settled and after which delay it comes again', () => {
  const { messages, inSlots, calls, finish } = open();
  const [first, second] = [message('a'), message('b')];
  messages.onMessage(first);
  messages.onMessage(second);
  expect([...inSlots]).toEqual([first, second]);
  messages.onSettled(first, ACK);
  finish(first);
  messages.onSettled(second, { kind: 'retry', delayMs: 70, retryVia: 'nak' });
  finish(second);
  expect(calls).toEqual(['a settled, 3 more, 0 ms', 'b settled, 3 more, 70 ms']);
});

test('the reader is told the delay of a requeued message', () => {
  const { messages, calls, finish } = open();
  const early = message('a');
  messages.onMessage(early);
  messages.onSettled(early, { kind: 'requeued', delayMs: 9000 });
  finish(early);
  expect(calls).toEqual(['a settled, 3 more, 9000 ms']);
});

test('ordered messages leave a quarter of the slots to other messages', () => {
  const { messages, inSlots, finish } = open({ slots: 8 });
  const all = Array.from({ length: 8 }, (_, n) => message(`k${n}`));
  for (const each of all) messages.onMessage(each);
  expect([inSlots.size, messages.reservedSlots()]).toEqual([6, 0]);
  finish(all[0]!);
  expect(inSlots.has(all[6]!)).toBe(true);
});

test('ordered messages leave a single slot to other messages for a quarter of the time', () => {
  const { clock, messages, inSlots, finish } = open({ slots: 1 });
  const all = Array.from({ length: 3 }, (_, n) => message(`k${n}`));
  for (const each of all) messages.onMessage(each);
  expect([...inSlots]).toEqual([all[0]]);
  clock.advance(150);
  finish(all[0]!);
  expect([inSlots.size, messages.reservedSlots()]).toEqual([0, 0]);
  clock.advance(50);
  expect([...inSlots]).toEqual([all[1]]);
});

test('a message without capacity holds no slot, and starts when there is capacity, the oldest one first', () => {
  const { clock, messages, inSlots, calls, capacity, rejectAndDefer } = open();
  const all = ['a', 'b', 'c'].map((queue) => message(queue));
  for (const each of all) {
    messages.onMessage(each);
    rejectAndDefer(each, HERE);
  }
  clock.advance(60_000);
  expect([inSlots.size, messages.waiting]).toEqual([0, 3]);
  capacity[HERE] = 2;
  clock.advance(50);
  expect([...inSlots]).toEqual(all.slice(0, 2));
  expect(calls).toEqual(['a blocked', 'b blocked', 'c blocked']);
});

test('a message waits behind messages for the same endpoint, and not behind messages for other endpoints', () => {
  const { clock, messages, capacity, rejectAndDefer } = open();
  const [waits, next] = [message('a'), message('b')];
  messages.onMessage(waits);
  rejectAndDefer(waits, HERE);
  messages.onMessage(next);
  expect(messages.mustWaitBehind(next, HERE)).toBe(true);
  expect(messages.mustWaitBehind(next, THERE)).toBe(false);
  capacity[HERE] = 1;
  clock.advance(50);
  expect(messages.mustWaitBehind(waits, HERE)).toBe(false);
});

test('an endpoint that rejects again is tried after a delay that doubles up to two seconds, until a message is settled', () => {
  const { clock, messages, inSlots, capacity, finish, rejectAndDefer } = open();
  const [first, second] = [message('a'), message('b')];
  for (const each of [first, second]) {
    messages.onMessage(each);
    rejectAndDefer(each, HERE);
  }
  capacity[HERE] = 1;
  clock.advance(50);
  for (const waitMs of [50, 100, 200, 400, 800, 1600, 2000, 2000]) {
    const [each] = inSlots;
    rejectAndDefer(each!, HERE);
    clock.advance(waitMs - 50);
    expect(inSlots.size).toBe(0);
    clock.advance(100);
    expect(inSlots.size).toBe(1);
  }
  const [each] = inSlots;
  messages.mustWaitBehind(each!, HERE);
  messages.onSettled(each!, ACK);
  finish(each!);
  expect(inSlots.size).toBe(1);
});

test('no more messages are deferred than there is memory for', () => {
  const { messages, rejectAndDefer } = open({ bytes: 2 * (2048 + 10) });
  const deferred = ['a', 'b', 'c'].map((queue) => {
    const each = message(queue);
    messages.onMessage(each);
    return rejectAndDefer(each, HERE);
  });
  expect(deferred).toEqual([true, true, false]);
});

test('one message per ordering key is processed at a time, and a redelivery of an acked message is acked, not sent', () => {
  const { messages, inSlots, calls, finish } = open();
  const [first, same, next] = [message('a'), message('a'), message('a', { sequence: 2 })];
  for (const each of [first, same, next]) messages.onMessage(each);
  expect([...inSlots]).toEqual([first]);
  messages.onSettled(first, ACK);
  finish(first);
  expect([...inSlots]).toEqual([next]);
  expect(calls).toContain('a acked again');
});

test('a redelivery of a message is sent if the message was not acked', () => {
  const { messages, inSlots, finish } = open();
  const [first, same] = [message('a'), message('a')];
  messages.onMessage(first);
  messages.onMessage(same);
  messages.onSettled(first, { kind: 'retry', delayMs: 10, retryVia: 'nak' });
  finish(first);
  expect([...inSlots]).toEqual([same]);
});

test('a stop requeues every message without a slot, and later also new messages and messages without capacity', () => {
  const { clock, messages, requeued, rejectAndDefer } = open({ slots: 2 });
  const [waits, inSlot, due, behind] = [message('a'), message('b'), message('c'), message('b')];
  messages.onMessage(waits);
  rejectAndDefer(waits, HERE);
  for (const each of [inSlot, due, behind]) messages.onMessage(each);
  messages.stop();
  expect(new Set(requeued)).toEqual(new Set([waits, due, behind]));
  const late = message('d');
  messages.onMessage(late);
  expect(messages.defer(inSlot, HERE)).toBe(true);
  expect(requeued.slice(3)).toEqual([late, inSlot]);
  clock.advance(60_000);
  expect(requeued.length).toBe(5);
});

test('a message that is requeued by a stop does not start when an earlier message of its endpoint finishes', () => {
  const { clock, messages, inSlots, calls, requeued, capacity, finish, rejectAndDefer } = open();
  const [first, second] = [message('a'), message('b')];
  for (const each of [first, second]) {
    messages.onMessage(each);
    rejectAndDefer(each, HERE);
  }
  capacity[HERE] = 1;
  clock.advance(50);
  expect([...inSlots]).toEqual([first]);
  messages.stop();
  messages.onSettled(first, ACK);
  finish(first);
  expect([requeued, [...inSlots], messages.waiting]).toEqual([[second], [], 0]);
  expect(calls).toEqual(['a blocked', 'b blocked', 'a settled, 3 more, 0 ms']);
});
