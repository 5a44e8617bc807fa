import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limiter.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt, Outcome } from '../../../src/core/retry/attempt.ts';
import { Admission } from '../../../src/delivery/admission/admission.ts';
import type { Permit, Rejected } from '../../../src/delivery/admission/tracked-endpoint.ts';

const SLOTS = 100;
const MOST_ENDPOINTS = 1000;
const FRESH = { isParkedCopy: false, cannotPark: false };
const PARKED = { isParkedCopy: true, cannotPark: false };

let rooms: Admission;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  rooms = new Admission({
    slots: SLOTS,
    unresponsiveAfterMs: 200,
    failureRateThreshold: 0.8,
    windowMs: 10_000,
    retryAfterMaxMs: 3_600_000,
    maxEndpoints: MOST_ENDPOINTS,
    isBusy: () => false,
    limits: NO_LIMITS,
    now: () => performance.now(),
    random: () => 0.5,
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const target = (name: string) =>
  ({ endpointKey: name, origin: `https://${name}.example` }) as unknown as Target;
const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: 0, durationMs: 50 });
const responded = (status: number, retryAfterMs: number | null = null) =>
  attempt({ kind: 'responded', status, retryAfterMs, excerpt: null });
const WELL = responded(200);

const enter = (name: string, entrant = FRESH) => rooms.admit(target(name), entrant);
const pass = (name: string, entrant = FRESH) => enter(name, entrant) as Permit;

/** What became of each so far, in the order of their coming. */
function follow(count: number, name: string, entrant = FRESH) {
  const seen: ('waits' | (Permit | Rejected)['kind'])[] = Array.from({ length: count }, () => 'waits');
  const passes: Permit[] = [];
  for (let index = 0; index < count; index++) {
    const noted = (answer: Permit | Rejected) => {
      seen[index] = answer.kind;
      if (answer.kind === 'permit') passes.push(answer);
    };
    const answer = enter(name, entrant);
    if ('then' in answer) void answer.then(noted);
    else noted(answer);
  }
  return { passes, count: (kind: (typeof seen)[number]) => seen.filter((one) => one === kind).length };
}

/** Until it answers well with all the places that it may have. */
async function grow(name: string): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const { passes } = follow(SLOTS, name);
    await vi.advanceTimersByTimeAsync(50);
    for (const one of passes) one.release(WELL);
    for (let more = passes.length; more > 0; more = passes.length) {
      passes.length = 0;
      await vi.advanceTimersByTimeAsync(1);
      for (const one of passes) one.release(WELL);
    }
  }
}

describe('endpoints without end', () => {
  const known = () => new Set([...rooms.endpoints()].map(({ key }) => key));

  it('are remembered up to a bound', async () => {
    for (let number = 0; number < 5000; number++) {
      pass(`seen-once-${number}`).release(WELL);
      await vi.advanceTimersByTimeAsync(25);
    }
    expect(known().size).toBeLessThanOrEqual(MOST_ENDPOINTS);
    expect(known().has('seen-once-4999')).toBe(true);
    expect(known().has('seen-once-0')).toBe(false);
  });

  it('make those forgotten first that are well, then those in trouble, and never one that has something under way', async () => {
    const underWay = pass('under-way');
    for (const one of follow(3, 'down').passes) one.release(responded(503));
    expect(rooms.isClosedFor(target('down'))).toBe(true);
    for (let number = 0; number < 5000; number++) {
      pass(`seen-once-${number}`).release(WELL);
      await vi.advanceTimersByTimeAsync(25);
    }
    expect(known().has('under-way')).toBe(true);
    expect(rooms.isClosedFor(target('down'))).toBe(true);
    underWay.release(WELL);
  });
});

describe('an endpoint that nobody knows', () => {
  it('gets ten attempts; what comes beyond waits in its slot', () => {
    const { count } = follow(SLOTS, 'new');
    expect([count('permit'), count('waits')]).toEqual([10, 90]);
  });

  it('lets those that wait in as it answers', async () => {
    const { passes, count } = follow(SLOTS, 'new');
    await vi.advanceTimersByTimeAsync(50);
    for (const one of passes.splice(0)) one.release(WELL);
    await vi.advanceTimersByTimeAsync(1);
    expect([count('permit'), count('waits'), count('noCapacity')]).toEqual([40, 60, 0]);
  });

  it('that answers nothing within 200 ms turns all away that wait, and those that come', async () => {
    const { count } = follow(SLOTS, 'hangs');
    await vi.advanceTimersByTimeAsync(250);
    expect([count('permit'), count('noCapacity')]).toEqual([10, 90]);
    expect(enter('hangs')).toMatchObject({ kind: 'noCapacity' });
  });

  it('may hold half of the slots with those that wait, while others are there', () => {
    follow(1, 'other');
    const { count } = follow(SLOTS, 'new');
    expect([count('permit'), count('waits'), count('noCapacity')]).toEqual([10, 40, 50]);
  });

  it.each([20, 200])('leaves a new one a way in, though %d of them hang', (hanging) => {
    for (let number = 0; number < hanging; number++) follow(10, `hangs-${number}`);
    expect(rooms.admit(target('hangs-1'), FRESH)).not.toMatchObject({ kind: 'permit' });
    const held = [...rooms.endpoints()].reduce((sum, { limiter }) => sum + limiter.inFlight, 0);
    expect(held).toBeLessThanOrEqual(0.75 * SLOTS);
  });
});

describe('an endpoint that answers', () => {
  it('gets all slots but a few when it is alone', async () => {
    await grow('busy');
    expect(follow(SLOTS, 'busy').count('permit')).toBe(98);
  });

  it('leaves others twice what they had lately', async () => {
    await grow('busy');
    const { passes } = follow(5, 'other');
    for (const one of passes) one.release(WELL);
    await vi.advanceTimersByTimeAsync(1100);
    expect(follow(SLOTS, 'busy').count('permit')).toBe(90);
  });

  it('and then hangs holds what it has, turns all others away, and leaves room for one never seen', async () => {
    await grow('busy');
    const { count } = follow(SLOTS, 'busy');
    await vi.advanceTimersByTimeAsync(300);
    expect([count('permit'), count('noCapacity')]).toEqual([98, 2]);
    expect(enter('busy')).toMatchObject({ kind: 'noCapacity' });
    expect(enter('never-seen')).toMatchObject({ kind: 'permit' });
  });

  it('lets wait in the order of their coming', async () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, concurrency: 1 }));
    const first = pass('one');
    const order: string[] = [];
    for (const name of ['second', 'third'])
      void Promise.resolve(enter('one')).then((answer) => {
        order.push(name);
        (answer as Permit).release(WELL);
      });
    first.release(WELL);
    await vi.advanceTimersByTimeAsync(1);
    expect(order).toEqual(['second', 'third']);
  });

  it('and is as busy as it can be turns away after 200 ms, and from then on at once', async () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, concurrency: 2 }));
    const { count, passes } = follow(5, 'slow');
    await vi.advanceTimersByTimeAsync(150);
    for (const one of passes.splice(0)) one.release(WELL);
    await vi.advanceTimersByTimeAsync(75);
    expect([count('permit'), count('noCapacity')]).toEqual([4, 1]);
    expect(enter('slow')).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('an endpoint that fails', () => {
  const fail = (name: string, retryAfterMs: number | null = null) => {
    for (const one of follow(10, name).passes) one.release(responded(503, retryAfterMs));
  };

  it('gets nothing but one probe after a while', async () => {
    fail('down');
    expect(enter('down')).toMatchObject({ kind: 'noCapacity' });
    await vi.advanceTimersByTimeAsync(1001);
    expect([pass('down', PARKED).kind, enter('down', PARKED)]).toMatchObject([
      'permit',
      { kind: 'noCapacity' },
    ]);
  });

  it('gets no probe before the time that it asked for', async () => {
    fail('down', 60_000);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(enter('down', PARKED)).toMatchObject({ kind: 'noCapacity' });
    await vi.advanceTimersByTimeAsync(2);
    expect(enter('down', PARKED)).toMatchObject({ kind: 'permit' });
  });

  it('gets its parked messages before new ones when it is well again', async () => {
    fail('down');
    enter('down');
    await vi.advanceTimersByTimeAsync(1001);
    pass('down', PARKED).release(WELL);
    expect(enter('down')).toMatchObject({ kind: 'noCapacity' });
    rooms.endpointFor('down').hasBacklog = false;
    expect(enter('down')).toMatchObject({ kind: 'permit' });
  });

  it('takes no room from the others', async () => {
    await grow('success');
    fail('down');
    expect(follow(SLOTS, 'success').count('permit')).toBe(98);
  });
});

describe('an operator', () => {
  it('pauses an endpoint and lets it go on', () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }));
    expect(enter('any')).toMatchObject({ kind: 'noCapacity', reason: 'paused: moving house' });
    rooms.applyLimits(() => NO_LIMITS);
    rooms.endpointFor('any').hasBacklog = false;
    expect(enter('any')).toMatchObject({ kind: 'permit' });
  });
});

describe('a rate', () => {
  it('lets those that wait in when their time comes', async () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, ratePerSecond: 10 }));
    const { count } = follow(3, 'rated');
    expect(count('permit')).toBe(1);
    await vi.advanceTimersByTimeAsync(130);
    expect(count('permit')).toBe(3);
  });
});

describe('a message that cannot be parked', () => {
  it('waits, and gets in whatever its endpoint bears', async () => {
    follow(10, 'hangs');
    const { count } = follow(1, 'hangs', { isParkedCopy: false, cannotPark: true });
    await vi.advanceTimersByTimeAsync(250);
    expect(count('permit')).toBe(1);
  });

  it('does not get into an endpoint that is paused, nor when that happens while it waits', async () => {
    follow(10, 'any');
    const { count } = follow(1, 'any', { isParkedCopy: false, cannotPark: true });
    rooms.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }));
    await vi.advanceTimersByTimeAsync(250);
    expect(count('noCapacity')).toBe(1);
    expect(enter('any', { isParkedCopy: false, cannotPark: true })).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('rooms that close', () => {
  it('turn away all that wait, and all that come', async () => {
    const { count } = follow(20, 'any');
    rooms.close();
    await vi.advanceTimersByTimeAsync(1);
    expect([count('permit'), count('noCapacity')]).toEqual([10, 10]);
    expect(enter('other-one')).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('what is known of endpoints', () => {
  it('is forgotten ten minutes after the last attempt, unless messages wait, or they asked to be left alone', async () => {
    pass('success').release(WELL);
    for (const one of follow(10, 'down').passes) one.release(responded(503));
    for (const one of follow(10, 'later').passes) one.release(responded(503, 3_600_000));
    for (const one of follow(10, 'waits').passes) one.release(responded(503));
    rooms.endpointFor('waits').parked = 1;
    await vi.advanceTimersByTimeAsync(600_000);
    rooms.evictIdle();
    expect([...rooms.endpoints()]).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(1);
    rooms.evictIdle();
    expect([...rooms.endpoints()].map(({ key }) => key)).toEqual(['later', 'waits']);
  });

  it('costs no timer when nothing is under way', async () => {
    pass('success').release(WELL);
    await vi.advanceTimersByTimeAsync(100);
    expect(vi.getTimerCount()).toBe(0);
  });
});
