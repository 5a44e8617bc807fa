import { beforeEach, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limiter.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt, Outcome } from '../../../src/core/retry/attempt.ts';
import { Admission } from '../../../src/delivery/admission/admission.ts';
import type { Permit, Rejected } from '../../../src/delivery/admission/tracked-endpoint.ts';
import { HandClock } from '../../support/hand-clock.ts';

const SLOTS = 100;
const MOST_ENDPOINTS = 1000;
const FRESH = { isParkedCopy: false, cannotPark: false };
const PARKED = { isParkedCopy: true, cannotPark: false };

let clock: HandClock;
let rooms: Admission;
beforeEach(() => {
  clock = new HandClock();
  rooms = new Admission({
    slots: SLOTS,
    unresponsiveAfterMs: 200,
    failureRateThreshold: 0.8,
    windowMs: 10_000,
    retryAfterMaxMs: 3_600_000,
    maxEndpoints: MOST_ENDPOINTS,
    isBusy: () => false,
    limits: NO_LIMITS,
    clock,
    random: () => 0.5,
  });
});

const target = (name: string) =>
  ({ endpointKey: name, origin: `https://${name}.example` }) as unknown as Target;
const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: 0, durationMs: 50 });
const responded = (status: number, retryAfterMs: number | null = null) =>
  attempt({ kind: 'responded', status, retryAfterMs, excerpt: null });
const WELL = responded(200);

const enter = (name: string, entrant = FRESH) => rooms.admit(target(name), entrant);
const pass = (name: string, entrant = FRESH) => enter(name, entrant) as Permit;

/** Asks for `count` permits. `seen` has the answers so far, in the order of the requests. */
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

/** Sends to the endpoint until its window has grown to all the slots that it may have. */
async function grow(name: string): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const { passes } = follow(SLOTS, name);
    await clock.advanceAsync(50);
    for (const one of passes) one.release(WELL);
    for (let more = passes.length; more > 0; more = passes.length) {
      passes.length = 0;
      await clock.advanceAsync(1);
      for (const one of passes) one.release(WELL);
    }
  }
}

describe('endpoints in very large numbers', () => {
  const known = () => new Set([...rooms.endpoints()].map(({ key }) => key));

  it('are tracked up to a limit', async () => {
    for (let number = 0; number < 5000; number++) {
      pass(`seen-once-${number}`).release(WELL);
      await clock.advanceAsync(25);
    }
    expect(known().size).toBeLessThanOrEqual(MOST_ENDPOINTS);
    expect(known().has('seen-once-4999')).toBe(true);
    expect(known().has('seen-once-0')).toBe(false);
  });

  it('are evicted in this order: healthy ones, then unhealthy ones, and never one with an attempt in flight', async () => {
    const underWay = pass('under-way');
    for (const one of follow(3, 'down').passes) one.release(responded(503));
    expect(rooms.isClosedFor(target('down'))).toBe(true);
    for (let number = 0; number < 5000; number++) {
      pass(`seen-once-${number}`).release(WELL);
      await clock.advanceAsync(25);
    }
    expect(known().has('under-way')).toBe(true);
    expect(rooms.isClosedFor(target('down'))).toBe(true);
    underWay.release(WELL);
  });
});

describe('an untested endpoint', () => {
  it('gets ten attempts, and further messages wait in their slots', () => {
    const { count } = follow(SLOTS, 'new');
    expect([count('permit'), count('waits')]).toEqual([10, 90]);
  });

  it('admits waiting messages as it answers', async () => {
    const { passes, count } = follow(SLOTS, 'new');
    await clock.advanceAsync(50);
    for (const one of passes.splice(0)) one.release(WELL);
    await clock.advanceAsync(1);
    expect([count('permit'), count('waits'), count('noCapacity')]).toEqual([40, 60, 0]);
  });

  it('that does not answer within 200 ms rejects all waiting and new messages', async () => {
    const { count } = follow(SLOTS, 'hangs');
    await clock.advanceAsync(250);
    expect([count('permit'), count('noCapacity')]).toEqual([10, 90]);
    expect(enter('hangs')).toMatchObject({ kind: 'noCapacity' });
  });

  it('may hold half of the slots, waiting messages included, while another endpoint has an attempt', () => {
    follow(1, 'other');
    const { count } = follow(SLOTS, 'new');
    expect([count('permit'), count('waits'), count('noCapacity')]).toEqual([10, 40, 50]);
  });

  it.each([
    20, 200,
  ])('leaves slots to other endpoints, even if %d untested endpoints do not answer', (hanging) => {
    for (let number = 0; number < hanging; number++) follow(10, `hangs-${number}`);
    expect(rooms.admit(target('hangs-1'), FRESH)).not.toMatchObject({ kind: 'permit' });
    const held = [...rooms.endpoints()].reduce((sum, { limiter }) => sum + limiter.inFlight, 0);
    expect(held).toBeLessThanOrEqual(0.75 * SLOTS);
  });
});

describe('a responsive endpoint', () => {
  it('gets all slots but a few if it is alone', async () => {
    await grow('busy');
    expect(follow(SLOTS, 'busy').count('permit')).toBe(98);
  });

  it('leaves other endpoints twice the slots that they used lately', async () => {
    await grow('busy');
    const { passes } = follow(5, 'other');
    for (const one of passes) one.release(WELL);
    await clock.advanceAsync(1100);
    expect(follow(SLOTS, 'busy').count('permit')).toBe(90);
  });

  it('that stops answering keeps its slots and rejects further messages, and a new endpoint still gets a slot', async () => {
    await grow('busy');
    const { count } = follow(SLOTS, 'busy');
    await clock.advanceAsync(300);
    expect([count('permit'), count('noCapacity')]).toEqual([98, 2]);
    expect(enter('busy')).toMatchObject({ kind: 'noCapacity' });
    expect(enter('never-seen')).toMatchObject({ kind: 'permit' });
  });

  it('admits waiting messages in the order of their arrival', async () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, concurrency: 1 }));
    const first = pass('one');
    const order: string[] = [];
    for (const name of ['second', 'third'])
      void Promise.resolve(enter('one')).then((answer) => {
        order.push(name);
        (answer as Permit).release(WELL);
      });
    first.release(WELL);
    await clock.advanceAsync(1);
    expect(order).toEqual(['second', 'third']);
  });

  it('that is at its limit rejects messages after 200 ms, and from then on at once', async () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, concurrency: 2 }));
    const { count, passes } = follow(5, 'slow');
    await clock.advanceAsync(150);
    for (const one of passes.splice(0)) one.release(WELL);
    await clock.advanceAsync(75);
    expect([count('permit'), count('noCapacity')]).toEqual([4, 1]);
    expect(enter('slow')).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('a failing endpoint', () => {
  const fail = (name: string, retryAfterMs: number | null = null) => {
    for (const one of follow(10, name).passes) one.release(responded(503, retryAfterMs));
  };

  it('gets nothing except one probe after a while', async () => {
    fail('down');
    expect(enter('down')).toMatchObject({ kind: 'noCapacity' });
    await clock.advanceAsync(1001);
    expect([pass('down', PARKED).kind, enter('down', PARKED)]).toMatchObject([
      'permit',
      { kind: 'noCapacity' },
    ]);
  });

  it('gets no probe before the time of its Retry-After', async () => {
    fail('down', 60_000);
    await clock.advanceAsync(59_999);
    expect(enter('down', PARKED)).toMatchObject({ kind: 'noCapacity' });
    await clock.advanceAsync(2);
    expect(enter('down', PARKED)).toMatchObject({ kind: 'permit' });
  });

  it('gets its parked messages before new ones when it has recovered', async () => {
    fail('down');
    enter('down');
    await clock.advanceAsync(1001);
    pass('down', PARKED).release(WELL);
    expect(enter('down')).toMatchObject({ kind: 'noCapacity' });
    rooms.endpointFor('down').hasBacklog = false;
    expect(enter('down')).toMatchObject({ kind: 'permit' });
  });

  it('takes no slots from other endpoints', async () => {
    await grow('success');
    fail('down');
    expect(follow(SLOTS, 'success').count('permit')).toBe(98);
  });
});

describe('an operator', () => {
  it('pauses and resumes an endpoint', () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }));
    expect(enter('any')).toMatchObject({ kind: 'noCapacity', reason: 'paused: moving house' });
    rooms.applyLimits(() => NO_LIMITS);
    rooms.endpointFor('any').hasBacklog = false;
    expect(enter('any')).toMatchObject({ kind: 'permit' });
  });
});

describe('a rate limit', () => {
  it('admits waiting messages when the rate allows', async () => {
    rooms.applyLimits(() => ({ ...NO_LIMITS, ratePerSecond: 10 }));
    const { count } = follow(3, 'rated');
    expect(count('permit')).toBe(1);
    await clock.advanceAsync(130);
    expect(count('permit')).toBe(3);
  });
});

describe('a message that cannot be parked', () => {
  it('waits, and is then admitted beyond the limit of its endpoint', async () => {
    follow(10, 'hangs');
    const { count } = follow(1, 'hangs', { isParkedCopy: false, cannotPark: true });
    await clock.advanceAsync(250);
    expect(count('permit')).toBe(1);
  });

  it('is rejected if its endpoint is paused, even while the message waits', async () => {
    follow(10, 'any');
    const { count } = follow(1, 'any', { isParkedCopy: false, cannotPark: true });
    rooms.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }));
    await clock.advanceAsync(250);
    expect(count('noCapacity')).toBe(1);
    expect(enter('any', { isParkedCopy: false, cannotPark: true })).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('closed admission', () => {
  it('rejects all waiting and new messages', async () => {
    const { count } = follow(20, 'any');
    rooms.close();
    await clock.advanceAsync(1);
    expect([count('permit'), count('noCapacity')]).toEqual([10, 10]);
    expect(enter('other-one')).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('an idle endpoint', () => {
  it('is evicted ten minutes after its last attempt, unless messages are parked or its Retry-After is not over', async () => {
    pass('success').release(WELL);
    for (const one of follow(10, 'down').passes) one.release(responded(503));
    for (const one of follow(10, 'later').passes) one.release(responded(503, 3_600_000));
    for (const one of follow(10, 'waits').passes) one.release(responded(503));
    rooms.endpointFor('waits').parked = 1;
    await clock.advanceAsync(600_000);
    rooms.evictIdle();
    expect([...rooms.endpoints()]).toHaveLength(4);
    await clock.advanceAsync(1);
    rooms.evictIdle();
    expect([...rooms.endpoints()].map(({ key }) => key)).toEqual(['later', 'waits']);
  });

  it('needs no timer', async () => {
    pass('success').release(WELL);
    await clock.advanceAsync(100);
    expect(clock.scheduled).toBe(0);
  });
});
