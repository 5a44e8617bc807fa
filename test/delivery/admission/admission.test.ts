import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_RULE } from '../../../src/core/capacity/endpoint-limiter.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt, Outcome } from '../../../src/core/retry/attempt.ts';
import { Rooms } from '../../../src/delivery/admission/admission.ts';
import type { NoRoom, Pass } from '../../../src/delivery/admission/tracked-endpoint.ts';

const SLOTS = 100;
const MOST_ENDPOINTS = 1000;
const FRESH = { isParkedCopy: false, mustSend: false };
const PARKED = { isParkedCopy: true, mustSend: false };

let rooms: Rooms;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  rooms = new Rooms({
    slots: SLOTS,
    silentAfterMs: 200,
    failureShare: 0.8,
    windowMs: 10_000,
    retryAfterMaxMs: 3_600_000,
    mostEndpoints: MOST_ENDPOINTS,
    isBusy: () => false,
    rule: NO_RULE,
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

const enter = (name: string, entrant = FRESH) => rooms.enter(target(name), entrant);
const pass = (name: string, entrant = FRESH) => enter(name, entrant) as Pass;

/** What became of each so far, in the order of their coming. */
function follow(count: number, name: string, entrant = FRESH) {
  const seen: ('waits' | (Pass | NoRoom)['kind'])[] = Array.from({ length: count }, () => 'waits');
  const passes: Pass[] = [];
  for (let index = 0; index < count; index++) {
    const noted = (answer: Pass | NoRoom) => {
      seen[index] = answer.kind;
      if (answer.kind === 'pass') passes.push(answer);
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
    for (const one of passes) one.left(WELL);
    for (let more = passes.length; more > 0; more = passes.length) {
      passes.length = 0;
      await vi.advanceTimersByTimeAsync(1);
      for (const one of passes) one.left(WELL);
    }
  }
}

describe('endpoints without end', () => {
  const known = () => new Set([...rooms.places()].map(({ key }) => key));

  it('are remembered up to a bound', async () => {
    for (let number = 0; number < 5000; number++) {
      pass(`seen-once-${number}`).left(WELL);
      await vi.advanceTimersByTimeAsync(25);
    }
    expect(known().size).toBeLessThanOrEqual(MOST_ENDPOINTS);
    expect(known().has('seen-once-4999')).toBe(true);
    expect(known().has('seen-once-0')).toBe(false);
  });

  it('make those forgotten first that are well, then those in trouble, and never one that has something under way', async () => {
    const underWay = pass('under-way');
    for (const one of follow(3, 'down').passes) one.left(responded(503));
    expect(rooms.isShut(target('down'))).toBe(true);
    for (let number = 0; number < 5000; number++) {
      pass(`seen-once-${number}`).left(WELL);
      await vi.advanceTimersByTimeAsync(25);
    }
    expect(known().has('under-way')).toBe(true);
    expect(rooms.isShut(target('down'))).toBe(true);
    underWay.left(WELL);
  });
});

describe('an endpoint that nobody knows', () => {
  it('gets ten attempts; what comes beyond waits in its slot', () => {
    const { count } = follow(SLOTS, 'new');
    expect([count('pass'), count('waits')]).toEqual([10, 90]);
  });

  it('lets those that wait in as it answers', async () => {
    const { passes, count } = follow(SLOTS, 'new');
    await vi.advanceTimersByTimeAsync(50);
    for (const one of passes.splice(0)) one.left(WELL);
    await vi.advanceTimersByTimeAsync(1);
    expect([count('pass'), count('waits'), count('noRoom')]).toEqual([40, 60, 0]);
  });

  it('that answers nothing within 200 ms turns all away that wait, and those that come', async () => {
    const { count } = follow(SLOTS, 'hangs');
    await vi.advanceTimersByTimeAsync(250);
    expect([count('pass'), count('noRoom')]).toEqual([10, 90]);
    expect(enter('hangs')).toMatchObject({ kind: 'noRoom' });
  });

  it('may hold half of the slots with those that wait, while others are there', () => {
    follow(1, 'other');
    const { count } = follow(SLOTS, 'new');
    expect([count('pass'), count('waits'), count('noRoom')]).toEqual([10, 40, 50]);
  });

  it.each([20, 200])('leaves a new one a way in, though %d of them hang', (hanging) => {
    for (let number = 0; number < hanging; number++) follow(10, `hangs-${number}`);
    expect(rooms.enter(target('hangs-1'), FRESH)).not.toMatchObject({ kind: 'pass' });
    const held = [...rooms.places()].reduce((sum, { room }) => sum + room.inFlight, 0);
    expect(held).toBeLessThanOrEqual(0.75 * SLOTS);
  });
});

describe('an endpoint that answers', () => {
  it('gets all slots but a few when it is alone', async () => {
    await grow('busy');
    expect(follow(SLOTS, 'busy').count('pass')).toBe(98);
  });

  it('leaves others twice what they had lately', async () => {
    await grow('busy');
    const { passes } = follow(5, 'other');
    for (const one of passes) one.left(WELL);
    await vi.advanceTimersByTimeAsync(1100);
    expect(follow(SLOTS, 'busy').count('pass')).toBe(90);
  });

  it('and then hangs holds what it has, turns all others away, and leaves room for one never seen', async () => {
    await grow('busy');
    const { count } = follow(SLOTS, 'busy');
    await vi.advanceTimersByTimeAsync(300);
    expect([count('pass'), count('noRoom')]).toEqual([98, 2]);
    expect(enter('busy')).toMatchObject({ kind: 'noRoom' });
    expect(enter('never-seen')).toMatchObject({ kind: 'pass' });
  });

  it('lets wait in the order of their coming', async () => {
    rooms.obey(() => ({ ...NO_RULE, concurrency: 1 }));
    const first = pass('one');
    const order: string[] = [];
    for (const name of ['second', 'third'])
      void Promise.resolve(enter('one')).then((answer) => {
        order.push(name);
        (answer as Pass).left(WELL);
      });
    first.left(WELL);
    await vi.advanceTimersByTimeAsync(1);
    expect(order).toEqual(['second', 'third']);
  });

  it('and is as busy as it can be turns away after 200 ms, and from then on at once', async () => {
    rooms.obey(() => ({ ...NO_RULE, concurrency: 2 }));
    const { count, passes } = follow(5, 'slow');
    await vi.advanceTimersByTimeAsync(150);
    for (const one of passes.splice(0)) one.left(WELL);
    await vi.advanceTimersByTimeAsync(75);
    expect([count('pass'), count('noRoom')]).toEqual([4, 1]);
    expect(enter('slow')).toMatchObject({ kind: 'noRoom' });
  });
});

describe('an endpoint that fails', () => {
  const fail = (name: string, retryAfterMs: number | null = null) => {
    for (const one of follow(10, name).passes) one.left(responded(503, retryAfterMs));
  };

  it('gets nothing but one probe after a while', async () => {
    fail('down');
    expect(enter('down')).toMatchObject({ kind: 'noRoom' });
    await vi.advanceTimersByTimeAsync(1001);
    expect([pass('down', PARKED).kind, enter('down', PARKED)]).toMatchObject(['pass', { kind: 'noRoom' }]);
  });

  it('gets no probe before the time that it asked for', async () => {
    fail('down', 60_000);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(enter('down', PARKED)).toMatchObject({ kind: 'noRoom' });
    await vi.advanceTimersByTimeAsync(2);
    expect(enter('down', PARKED)).toMatchObject({ kind: 'pass' });
  });

  it('gets its parked messages before new ones when it is well again', async () => {
    fail('down');
    enter('down');
    await vi.advanceTimersByTimeAsync(1001);
    pass('down', PARKED).left(WELL);
    expect(enter('down')).toMatchObject({ kind: 'noRoom' });
    rooms.placeOf('down').isQueueing = false;
    expect(enter('down')).toMatchObject({ kind: 'pass' });
  });

  it('takes no room from the others', async () => {
    await grow('well');
    fail('down');
    expect(follow(SLOTS, 'well').count('pass')).toBe(98);
  });
});

describe('an operator', () => {
  it('pauses an endpoint and lets it go on', () => {
    rooms.obey(() => ({ ...NO_RULE, paused: 'moving house' }));
    expect(enter('any')).toMatchObject({ kind: 'noRoom', why: 'paused: moving house' });
    rooms.obey(() => NO_RULE);
    rooms.placeOf('any').isQueueing = false;
    expect(enter('any')).toMatchObject({ kind: 'pass' });
  });
});

describe('a rate', () => {
  it('lets those that wait in when their time comes', async () => {
    rooms.obey(() => ({ ...NO_RULE, perSecond: 10 }));
    const { count } = follow(3, 'rated');
    expect(count('pass')).toBe(1);
    await vi.advanceTimersByTimeAsync(130);
    expect(count('pass')).toBe(3);
  });
});

describe('a message that cannot be parked', () => {
  it('waits, and gets in whatever its endpoint bears', async () => {
    follow(10, 'hangs');
    const { count } = follow(1, 'hangs', { isParkedCopy: false, mustSend: true });
    await vi.advanceTimersByTimeAsync(250);
    expect(count('pass')).toBe(1);
  });

  it('does not get into an endpoint that is paused, nor when that happens while it waits', async () => {
    follow(10, 'any');
    const { count } = follow(1, 'any', { isParkedCopy: false, mustSend: true });
    rooms.obey(() => ({ ...NO_RULE, paused: 'moving house' }));
    await vi.advanceTimersByTimeAsync(250);
    expect(count('noRoom')).toBe(1);
    expect(enter('any', { isParkedCopy: false, mustSend: true })).toMatchObject({ kind: 'noRoom' });
  });
});

describe('rooms that close', () => {
  it('turn away all that wait, and all that come', async () => {
    const { count } = follow(20, 'any');
    rooms.close();
    await vi.advanceTimersByTimeAsync(1);
    expect([count('pass'), count('noRoom')]).toEqual([10, 10]);
    expect(enter('other-one')).toMatchObject({ kind: 'noRoom' });
  });
});

describe('what is known of endpoints', () => {
  it('is forgotten ten minutes after the last attempt, unless messages wait, or they asked to be left alone', async () => {
    pass('well').left(WELL);
    for (const one of follow(10, 'down').passes) one.left(responded(503));
    for (const one of follow(10, 'later').passes) one.left(responded(503, 3_600_000));
    for (const one of follow(10, 'waits').passes) one.left(responded(503));
    rooms.placeOf('waits').parked = 1;
    await vi.advanceTimersByTimeAsync(600_000);
    rooms.forgetIdle();
    expect([...rooms.places()]).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(1);
    rooms.forgetIdle();
    expect([...rooms.places()].map(({ key }) => key)).toEqual(['later', 'waits']);
  });

  it('costs no timer when nothing is under way', async () => {
    pass('well').left(WELL);
    await vi.advanceTimersByTimeAsync(100);
    expect(vi.getTimerCount()).toBe(0);
  });
});
