import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TrackedEndpoint } from '../../../src/delivery/admission/tracked-endpoint.ts';
import { MemoryBudget } from '../../../src/delivery/memory-budget.ts';
import { OrderedDispatcher, type OrderedMessage } from '../../../src/delivery/ordered/ordered-dispatcher.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const HERE = 'here-0a1b2c3d';
const THERE = 'there-0a1b2c3d';
const ACK = { kind: 'ack' } as const;

function message(orderingKey: string, more: Partial<OrderedMessage> = {}): OrderedMessage {
  return { orderingKey, sequence: 1, publishedAt: 1, pending: 3, size: 10, ...more };
}

/** Each endpoint has room for as many as `space` says; messages in slots stay there until the test ends them. */
function open({ slots = 100, bytes = 1_000_000, hasBacklog = false } = {}) {
  const inSlots = new Set<OrderedMessage>();
  const said: string[] = [];
  const handedBack: OrderedMessage[] = [];
  const space = { [HERE]: 0, [THERE]: 0 };
  const messages: OrderedDispatcher<OrderedMessage> = new OrderedDispatcher<OrderedMessage>({
    slots,
    free: () => slots - inSlots.size,
    admission: {
      endpointFor: (endpointKey) => ({ key: endpointKey, hasBacklog }) as TrackedEndpoint,
      capacityFor: ({ key }) => space[key as keyof typeof space],
    },
    budget: new MemoryBudget(bytes),
    reader: {
      onBlocked: (queue) => said.push(`${queue} blocked`),
      onSettled: (queue, pending, delayMs) => said.push(`${queue} settled, ${pending} more, ${delayMs} ms`),
    },
    effects: {
      nak: (each) => handedBack.push(each),
      ack: (each) => said.push(`${each.orderingKey} acked again`),
    },
    now: () => Date.now(),
  });
  messages.start((each) => inSlots.add(each));
  const end = (each: OrderedMessage) => {
    inSlots.delete(each);
    messages.onFinished(each);
    messages.onSlotFreed();
  };
  /** It comes to the door of its endpoint, and is turned away. */
  const turnAway = (each: OrderedMessage, endpointKey: string) => {
    messages.mustWaitBehind(each, endpointKey);
    const isKept = messages.defer(each, endpointKey);
    messages.onSettled(each, { kind: 'deferred' });
    end(each);
    return isKept;
  };
  return { messages, inSlots, said, handedBack, space, end, turnAway };
}

test('a message has a slot at once, and its queue hears when it is settled, and when it comes again', () => {
  const { messages, inSlots, said, end } = open();
  const [first, second] = [message('a'), message('b')];
  messages.onMessage(first);
  messages.onMessage(second);
  expect([...inSlots]).toEqual([first, second]);
  messages.onSettled(first, ACK);
  end(first);
  messages.onSettled(second, { kind: 'retry', delayMs: 70, retryVia: 'nak' });
  end(second);
  expect(said).toEqual(['a settled, 3 more, 0 ms', 'b settled, 3 more, 70 ms']);
});

test('of one that is handed back until later, its queue hears when that is', () => {
  const { messages, said, end } = open();
  const early = message('a');
  messages.onMessage(early);
  messages.onSettled(early, { kind: 'requeued', delayMs: 9000 });
  end(early);
  expect(said).toEqual(['a settled, 3 more, 9000 ms']);
});

test('a quarter of the slots is left to what has no order', () => {
  const { messages, inSlots, end } = open({ slots: 8 });
  const all = Array.from({ length: 8 }, (_, n) => message(`k${n}`));
  for (const each of all) messages.onMessage(each);
  expect([inSlots.size, messages.reservedSlots()]).toEqual([6, 0]);
  end(all[0]!);
  expect(inSlots.has(all[6]!)).toBe(true);
});

test('a single slot is left to what has no order for a quarter of the time', () => {
  vi.setSystemTime(1000);
  const { messages, inSlots, end } = open({ slots: 1 });
  const all = Array.from({ length: 3 }, (_, n) => message(`k${n}`));
  for (const each of all) messages.onMessage(each);
  expect([...inSlots]).toEqual([all[0]]);
  vi.advanceTimersByTime(150);
  end(all[0]!);
  expect([inSlots.size, messages.reservedSlots()]).toEqual([0, 0]);
  vi.advanceTimersByTime(50);
  expect([...inSlots]).toEqual([all[1]]);
});

test('one without room keeps no slot, and is taken up when there is room, those that wait longest first', () => {
  const { messages, inSlots, said, space, turnAway } = open();
  const all = ['a', 'b', 'c'].map((queue) => message(queue));
  for (const each of all) {
    messages.onMessage(each);
    turnAway(each, HERE);
  }
  vi.advanceTimersByTime(60_000);
  expect([inSlots.size, messages.waiting]).toEqual([0, 3]);
  space[HERE] = 2;
  vi.advanceTimersByTime(50);
  expect([...inSlots]).toEqual(all.slice(0, 2));
  expect(said).toEqual(['a blocked', 'b blocked', 'c blocked']);
});

test('one that comes later goes behind those that wait for the same endpoint, and past those that wait for others', () => {
  const { messages, space, turnAway } = open();
  const [waits, next] = [message('a'), message('b')];
  messages.onMessage(waits);
  turnAway(waits, HERE);
  messages.onMessage(next);
  expect(messages.mustWaitBehind(next, HERE)).toBe(true);
  expect(messages.mustWaitBehind(next, THERE)).toBe(false);
  space[HERE] = 1;
  vi.advanceTimersByTime(50);
  expect(messages.mustWaitBehind(waits, HERE)).toBe(false);
});

test('an endpoint that turns them away again is asked less and less often, up to two seconds, until one gets through', () => {
  const { messages, inSlots, space, end, turnAway } = open();
  const [first, second] = [message('a'), message('b')];
  for (const each of [first, second]) {
    messages.onMessage(each);
    turnAway(each, HERE);
  }
  space[HERE] = 1;
  vi.advanceTimersByTime(50);
  for (const waitMs of [50, 100, 200, 400, 800, 1600, 2000, 2000]) {
    const [each] = inSlots;
    turnAway(each!, HERE);
    vi.advanceTimersByTime(waitMs - 50);
    expect(inSlots.size).toBe(0);
    vi.advanceTimersByTime(100);
    expect(inSlots.size).toBe(1);
  }
  const [each] = inSlots;
  messages.mustWaitBehind(each!, HERE);
  messages.onSettled(each!, ACK);
  end(each!);
  expect(inSlots.size).toBe(1);
});

test('no more are kept than there is memory for', () => {
  const { messages, turnAway } = open({ bytes: 2 * (2048 + 10) });
  const kept = ['a', 'b', 'c'].map((queue) => {
    const each = message(queue);
    messages.onMessage(each);
    return turnAway(each, HERE);
  });
  expect(kept).toEqual([true, true, false]);
});

test('of one queue, one goes at a time, whatever is handed out; the same one once more is not sent again', () => {
  const { messages, inSlots, said, end } = open();
  const [first, same, next] = [message('a'), message('a'), message('a', { sequence: 2 })];
  for (const each of [first, same, next]) messages.onMessage(each);
  expect([...inSlots]).toEqual([first]);
  messages.onSettled(first, ACK);
  end(first);
  expect([...inSlots]).toEqual([next]);
  expect(said).toContain('a acked again');
});

test('the same one once more is sent, where the first one was not taken', () => {
  const { messages, inSlots, end } = open();
  const [first, same] = [message('a'), message('a')];
  messages.onMessage(first);
  messages.onMessage(same);
  messages.onSettled(first, { kind: 'retry', delayMs: 10, retryVia: 'nak' });
  end(first);
  expect([...inSlots]).toEqual([same]);
});

test('at a stop, all that are not in a slot go back, and so do those that come, or find no room, after it', () => {
  const { messages, handedBack, turnAway } = open({ slots: 2 });
  const [waits, inSlot, due, behind] = [message('a'), message('b'), message('c'), message('b')];
  messages.onMessage(waits);
  turnAway(waits, HERE);
  for (const each of [inSlot, due, behind]) messages.onMessage(each);
  messages.stop();
  expect(new Set(handedBack)).toEqual(new Set([waits, due, behind]));
  const late = message('d');
  messages.onMessage(late);
  expect(messages.defer(inSlot, HERE)).toBe(true);
  expect(handedBack.slice(3)).toEqual([late, inSlot]);
  vi.advanceTimersByTime(60_000);
  expect(handedBack.length).toBe(5);
});
