import { describe, expect, it } from 'vitest';
import { SCHEDULED_POLICY as policy } from '../../../src/delivery/parked/scheduled-policy.ts';

const NEVER_REFUSED = Number.POSITIVE_INFINITY;
const waiting = (dueForMs: number, retryDueForMs = NEVER_REFUSED) => ({
  facts: { dueForMs, endedForMs: dueForMs - 62_000 },
  retryDueForMs,
});

describe('the scheduled queues that are opened now', () => {
  it.each([
    ['no queue', [], 9, []],
    ['no queue before its time', [waiting(-1)], 9, []],
    ['a queue whose time has come', [waiting(-1), waiting(0)], 9, [1]],
    ['the longest due queue first', [waiting(5), waiting(7), waiting(6)], 9, [1, 2, 0]],
    ['no more than the room', [waiting(5), waiting(7), waiting(6)], 2, [1, 2]],
    [
      'a refused queue as if it were due since its retry',
      [waiting(9000, 1), waiting(2), waiting(0)],
      9,
      [1, 0, 2],
    ],
  ] as const)('are %s', (_what, queues, room, places) => {
    const all: readonly ReturnType<typeof waiting>[] = queues;
    expect(policy.next(all, room).map((queue) => all.indexOf(queue))).toEqual(places);
  });
});

describe('an open scheduled queue', () => {
  const open = (idleMs: number, endedForMs: number) => ({
    facts: { dueForMs: endedForMs + 62_000, endedForMs },
    idleMs,
    openMs: 100_000,
    outstanding: 0,
  });

  it.each([
    ['stays open until its minute has ended, though nothing comes', open(50_000, -1), false],
    ['stays open for 1 s after its minute', open(50_000, 999), false],
    ['is closed then', open(50_000, 1000), true],
    ['stays open as long as messages come', open(1000, 50_000), false],
    ['is closed when none has come for 1 s', open(1001, 50_000), true],
  ] as const)('%s', (_what, queue, isOver) => {
    expect(policy.isOver(queue, false)).toBe(isOver);
    expect(policy.isOver(queue, true)).toBe(isOver);
  });

  it('waits for the next list once it is closed', () => {
    expect(policy.opensAgain({ dueForMs: 0, endedForMs: 0 })).toBe(false);
  });

  it.each([
    ['all, if it is the only open queue', 100, 1, 100],
    ['its part', 100, 32, 4],
    ['at least one', 1, 32, 1],
    ['none', 0, 32, 0],
    ['all, before it is counted', 8, 0, 8],
  ])('gets %s of the messages that may come', (_what, available, count, credits) => {
    expect(policy.credits(available, count)).toBe(credits);
  });
});

describe('scheduled queues', () => {
  it.each([
    ['at.2027-01-31', true],
    ['at.2027-01-31T12:05', true],
    ['at.nonsense', false],
    ['at', false],
    ['example-com-0a1b2c3d', false],
    ['none', false],
  ])('have keys of days and minutes: %s %s', (key, owns) => {
    expect(policy.owns(key)).toBe(owns);
  });

  it('never slow down the list, however many they are', () => {
    expect(policy.listEveryMs(100_000, true)).toBe(0);
  });

  it('are open up to 32 at once, and opened again a second after NATS refused', () => {
    expect(policy).toMatchObject({ maxOpen: 32, retryMs: 1000, isParkingActivity: true });
  });
});
