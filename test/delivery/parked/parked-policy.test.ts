import { describe, expect, it } from 'vitest';
import { type ParkedQueueFacts, parkedPolicy } from '../../../src/delivery/parked/parked-policy.ts';

const policy = parkedPolicy(256);
const HEALTHY: ParkedQueueFacts = { capacity: 5, isUnhealthy: false, parked: 3 };
const FULL: ParkedQueueFacts = { ...HEALTHY, capacity: 0 };
const DOWN: ParkedQueueFacts = { ...FULL, isUnhealthy: true };
const PROBE_DUE: ParkedQueueFacts = { ...DOWN, capacity: 1 };

const waiting = (...queues: ParkedQueueFacts[]) =>
  queues.map((facts, place) => ({ place, facts, retryDueForMs: Number.POSITIVE_INFINITY }));
const times = (count: number, facts: ParkedQueueFacts) => Array.from({ length: count }, () => facts);
const placesOf = (queues: readonly { readonly place: number }[]) => queues.map(({ place }) => place);

describe('the queues of endpoints that are opened now', () => {
  it.each([
    ['no queue', [], 9, []],
    ['queues of endpoints with capacity, the longest waiting first', [HEALTHY, HEALTHY], 9, [0, 1]],
    ['no queue of an endpoint that uses all its permits', [FULL, HEALTHY], 9, [1]],
    ['no queue of an endpoint that is down', [DOWN, HEALTHY], 9, [1]],
    ['a queue of an endpoint whose probe is due', [PROBE_DUE], 9, [0]],
    ['at most two probes per check', [...times(4, PROBE_DUE), HEALTHY], 9, [0, 1, 4]],
    [
      'at most eight other queues per check',
      [...times(9, HEALTHY), PROBE_DUE],
      99,
      [0, 1, 2, 3, 4, 5, 6, 7, 9],
    ],
    ['no more than the room', times(5, HEALTHY), 3, [0, 1, 2]],
  ] as const)('are %s', (_what, queues, room, places) => {
    expect(placesOf(policy.next(waiting(...queues), room))).toEqual(places);
  });

  it('are found without a look at the queues behind them', () => {
    function* endless() {
      yield* waiting(HEALTHY);
      throw new Error('read too far');
    }
    expect(placesOf(policy.next(endless(), 1))).toEqual([0]);
  });
});

describe('the open queue of an endpoint', () => {
  const open = (facts: ParkedQueueFacts, idleMs: number, openMs: number, outstanding = 0) => ({
    facts,
    idleMs,
    openMs,
    outstanding,
  });

  it.each([
    ['is closed between two probes', open(DOWN, 0, 0), false, true],
    ['stays open while the message of a probe is about to come', open(DOWN, 0, 0, 1), false, false],
    ['stays open for a probe', open(PROBE_DUE, 0, 0), false, false],
    ['stays open while a healthy endpoint uses all its permits', open(FULL, 0, 0), false, false],
    ['stays open for 20 s without a message', open(HEALTHY, 20_000, 20_000), false, false],
    ['is closed after 20 s without a message', open(HEALTHY, 20_001, 20_001), false, true],
    ['stays open for 1 s without a message while others wait', open(HEALTHY, 1000, 1000), true, false],
    ['is closed after 1 s without a message while others wait', open(HEALTHY, 1001, 1001), true, true],
    ['stays open as long as messages come', open(HEALTHY, 0, 3_600_000), false, false],
    ['stays open for 10 s while others wait', open(HEALTHY, 0, 10_000), true, false],
    ['is closed after 10 s while others wait', open(HEALTHY, 0, 10_001), true, true],
  ] as const)('%s', (_what, queue, isCrowded, isOver) => {
    expect(policy.isOver(queue, isCrowded)).toBe(isOver);
  });

  it('opens again as soon as possible if messages remain', () => {
    expect(policy.opensAgain(DOWN)).toBe(true);
    expect(policy.opensAgain({ ...HEALTHY, parked: 0 })).toBe(false);
  });

  it('gets the slots that are divided already', () => {
    expect(policy.credits(7, 3)).toBe(7);
  });
});

describe('parked queues', () => {
  it.each([
    [0, 5000, 250],
    [100, 5000, 250],
    [101, 5000, 5000],
    [999, 5000, 5000],
    [1000, 15_000, 15_000],
  ])('%i in number are listed again after %i ms, or after %i ms while the worker sends', (count, idle, active) => {
    expect([policy.listEveryMs(count, false), policy.listEveryMs(count, true)]).toEqual([idle, active]);
  });

  it('are open up to MAX_OPEN_QUEUES at once, and wait for the next list if NATS refuses', () => {
    expect(policy).toMatchObject({ maxOpen: 256, retryMs: null, isParkingActivity: false });
  });

  it.each(['example-com-0a1b2c3d', 'none', 'a.b', 'at.nonsense'])('may have the key %s', (key) => {
    expect(policy.owns(key)).toBe(true);
  });
});
