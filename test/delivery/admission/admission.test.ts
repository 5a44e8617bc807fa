import { beforeEach, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limits.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt, Outcome } from '../../../src/core/retry/attempt.ts';
import { Admission } from '../../../src/delivery/admission/admission.ts';
import type { Permit, Rejected } from '../../../src/delivery/admission/tracked-endpoint.ts';
import { HandClock } from '../../support/hand-clock.ts';

const SLOTS = 100;
const MAX_ENDPOINTS = 1000;
const FRESH = { isParkedCopy: false, isRetry: false, cannotPark: false };
const RETRY = { isParkedCopy: false, isRetry: true, cannotPark: false };
const PARKED = { isParkedCopy: true, isRetry: false, cannotPark: false };

let clock: HandClock;
let admission: Admission;
beforeEach(() => {
  clock = new HandClock();
  admission = new Admission({
    slots: SLOTS,
    unresponsiveAfterMs: 200,
    retryAfterMaxMs: 3_600_000,
    maxEndpoints: MAX_ENDPOINTS,
    isBusy: () => false,
    limits: NO_LIMITS,
    log: { info() {} },
    clock,
    random: () => 0.5,
  });
});

const target = (name: string) =>
  ({
    endpointKey: name,
    origin: `https://${name}.example`,
    hostname: `${name}.example`,
  }) as unknown as Target;
const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: 0, durationMs: 50 });
const responded = (status: number, retryAfterMs: number | null = null) =>
  attempt({ kind: 'responded', status, retryAfterMs, excerpt: null });
const SUCCESS = responded(200);

const admit = (name: string, message = FRESH) => admission.admit(target(name), message);
const permitFor = (name: string, message = FRESH) => admit(name, message) as Permit;

/** Asks for `count` permits. `answers` has the answers so far, in the order of the requests. */
function requestPermits(count: number, name: string, message = FRESH) {
  const answers: ('waits' | (Permit | Rejected)['kind'])[] = Array.from({ length: count }, () => 'waits');
  const permits: Permit[] = [];
  for (let index = 0; index < count; index++) {
    const note = (answer: Permit | Rejected) => {
      answers[index] = answer.kind;
      if (answer.kind === 'permit') permits.push(answer);
    };
    const answer = admit(name, message);
    if ('then' in answer) void answer.then(note);
    else note(answer);
  }
  return { permits, count: (kind: (typeof answers)[number]) => answers.filter((one) => one === kind).length };
}

/** Sends to the endpoint until its window has grown to all the slots that it may have. */
async function grow(name: string): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const { permits } = requestPermits(SLOTS, name);
    await clock.advanceAsync(50);
    for (const permit of permits) permit.release(SUCCESS);
    for (let more = permits.length; more > 0; more = permits.length) {
      permits.length = 0;
      await clock.advanceAsync(1);
      for (const permit of permits) permit.release(SUCCESS);
    }
  }
}

describe('endpoints in very large numbers', () => {
  const tracked = () => new Set([...admission.endpoints()].map(({ key }) => key));

  it('are tracked up to a limit', async () => {
    for (let number = 0; number < 5000; number++) {
      permitFor(`seen-once-${number}`).release(SUCCESS);
      await clock.advanceAsync(25);
    }
    expect(tracked().size).toBeLessThanOrEqual(MAX_ENDPOINTS);
    expect(tracked().has('seen-once-4999')).toBe(true);
    expect(tracked().has('seen-once-0')).toBe(false);
  });

  it('are evicted in this order: healthy ones, then unhealthy ones, and never one with an attempt in flight', async () => {
    const inFlight = permitFor('in-flight');
    for (const permit of requestPermits(3, 'down').permits) permit.release(responded(503));
    expect(admission.isClosedFor(target('down'))).toBe(true);
    for (let number = 0; number < 5000; number++) {
      permitFor(`seen-once-${number}`).release(SUCCESS);
      await clock.advanceAsync(25);
    }
    expect(tracked().has('in-flight')).toBe(true);
    expect(admission.isClosedFor(target('down'))).toBe(true);
    inFlight.release(SUCCESS);
  });
});

describe('an untested endpoint', () => {
  it('gets ten attempts, and further messages wait in their slots', () => {
    const { count } = requestPermits(SLOTS, 'new');
    expect([count('permit'), count('waits')]).toEqual([10, 90]);
  });

  it('admits waiting messages as it answers', async () => {
    const { permits, count } = requestPermits(SLOTS, 'new');
    await clock.advanceAsync(50);
    for (const permit of permits.splice(0)) permit.release(SUCCESS);
    await clock.advanceAsync(1);
    expect([count('permit'), count('waits'), count('noCapacity')]).toEqual([40, 60, 0]);
  });

  it('that does not answer within 200 ms rejects all waiting and new messages', async () => {
    const { count } = requestPermits(SLOTS, 'hangs');
    await clock.advanceAsync(250);
    expect([count('permit'), count('noCapacity')]).toEqual([10, 90]);
    expect(admit('hangs')).toMatchObject({ kind: 'noCapacity' });
  });

  it('may hold half of the slots, waiting messages included, while another endpoint has an attempt', () => {
    requestPermits(1, 'other');
    const { count } = requestPermits(SLOTS, 'new');
    expect([count('permit'), count('waits'), count('noCapacity')]).toEqual([10, 40, 50]);
  });

  it.each([
    20, 200,
  ])('leaves slots to other endpoints, even if %d untested endpoints do not answer', (hanging) => {
    for (let number = 0; number < hanging; number++) requestPermits(10, `hangs-${number}`);
    expect(admission.admit(target('hangs-1'), FRESH)).not.toMatchObject({ kind: 'permit' });
    const held = [...admission.endpoints()].reduce((sum, { limiter }) => sum + limiter.inFlight, 0);
    expect(held).toBeLessThanOrEqual(0.75 * SLOTS);
  });
});

describe('a responsive endpoint', () => {
  it('gets all slots but a few if it is alone', async () => {
    await grow('busy');
    expect(requestPermits(SLOTS, 'busy').count('permit')).toBe(98);
  });

  it('leaves other endpoints twice the slots that they used lately', async () => {
    await grow('busy');
    const { permits } = requestPermits(5, 'other');
    for (const permit of permits) permit.release(SUCCESS);
    await clock.advanceAsync(1100);
    expect(requestPermits(SLOTS, 'busy').count('permit')).toBe(90);
  });

  it('that stops answering keeps its slots and rejects further messages, and a new endpoint still gets a slot', async () => {
    await grow('busy');
    const { count } = requestPermits(SLOTS, 'busy');
    await clock.advanceAsync(300);
    expect([count('permit'), count('noCapacity')]).toEqual([98, 2]);
    expect(admit('busy')).toMatchObject({ kind: 'noCapacity' });
    expect(admit('never-seen')).toMatchObject({ kind: 'permit' });
  });

  it('admits waiting messages in the order of their arrival', async () => {
    admission.applyLimits(() => ({ ...NO_LIMITS, concurrency: 1 }));
    const first = permitFor('one');
    const order: string[] = [];
    for (const name of ['second', 'third'])
      void Promise.resolve(admit('one')).then((answer) => {
        order.push(name);
        (answer as Permit).release(SUCCESS);
      });
    first.release(SUCCESS);
    await clock.advanceAsync(1);
    expect(order).toEqual(['second', 'third']);
  });

  it('that is at its limit rejects messages after 200 ms, and from then on at once', async () => {
    admission.applyLimits(() => ({ ...NO_LIMITS, concurrency: 2 }));
    const { count, permits } = requestPermits(5, 'slow');
    await clock.advanceAsync(150);
    for (const permit of permits.splice(0)) permit.release(SUCCESS);
    await clock.advanceAsync(75);
    expect([count('permit'), count('noCapacity')]).toEqual([4, 1]);
    expect(admit('slow')).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('a failing endpoint', () => {
  const fail = (name: string, retryAfterMs: number | null = null) => {
    for (const permit of requestPermits(10, name).permits) permit.release(responded(503, retryAfterMs));
  };

  it('gets nothing except one probe after a while', async () => {
    fail('down');
    expect(admit('down', PARKED)).toMatchObject({ kind: 'noCapacity' });
    await clock.advanceAsync(1001);
    expect([permitFor('down', PARKED).kind, admit('down', PARKED)]).toMatchObject([
      'permit',
      { kind: 'noCapacity' },
    ]);
  });

  it('is probed by a message that has just arrived: it waits for that if the time is near', async () => {
    fail('down');
    const { count, permits } = requestPermits(1, 'down');
    expect([count('waits'), permitFor('down').kind]).toEqual([1, 'noCapacity']);
    await clock.advanceAsync(225);
    expect(count('permit')).toBe(1);
    expect(admit('down', PARKED)).toMatchObject({ kind: 'noCapacity' });
    permits[0]!.release(SUCCESS);
    expect(admit('down', PARKED)).toMatchObject({ kind: 'permit' });
  });

  it('is probed by a message that has just arrived, though earlier messages are parked', async () => {
    fail('down', 10_000);
    expect(admit('down')).toMatchObject({ kind: 'noCapacity' });
    admission.endpointFor('down').hasBacklog = true;
    await clock.advanceAsync(10_001);
    expect(permitFor('down').kind).toBe('permit');
    expect(admit('down')).toMatchObject({ kind: 'noCapacity' });
  });

  it('gets no probe before the time of its Retry-After', async () => {
    fail('down', 60_000);
    await clock.advanceAsync(59_999);
    expect(admit('down', PARKED)).toMatchObject({ kind: 'noCapacity' });
    await clock.advanceAsync(2);
    expect(admit('down', PARKED)).toMatchObject({ kind: 'permit' });
  });

  it('gets its parked messages before new ones when it has recovered', async () => {
    fail('down', 1000);
    admit('down');
    await clock.advanceAsync(1001);
    permitFor('down', PARKED).release(SUCCESS);
    expect(admit('down')).toMatchObject({ kind: 'noCapacity' });
    admission.endpointFor('down').hasBacklog = false;
    expect(admit('down')).toMatchObject({ kind: 'permit' });
  });

  it('takes no slots from other endpoints', async () => {
    await grow('success');
    fail('down');
    expect(requestPermits(SLOTS, 'success').count('permit')).toBe(98);
  });
});

describe('a message that is retried', () => {
  it('has half of the window, and leaves no permit of first attempts unused', () => {
    const { count } = requestPermits(20, 'new', RETRY);
    expect([count('permit'), count('waits')]).toEqual([5, 15]);
    expect(requestPermits(20, 'new').count('permit')).toBe(5);
  });

  it('does not queue behind parked messages that were not tried, nor they behind it', async () => {
    admission.endpointFor('any').hasBacklog = true;
    expect(admit('any', RETRY)).toMatchObject({ kind: 'permit' });
    requestPermits(20, 'any', RETRY);
    await clock.advanceAsync(250);
    admission.endpointFor('any').hasBacklog = false;
    expect(admit('any', PARKED)).toMatchObject({ kind: 'permit' });
  });

  it('opens nothing when it fails, and does not hold back what comes when it hangs', async () => {
    await grow('good');
    for (let round = 0; round < 50; round++) permitFor('good', RETRY).release(responded(503));
    for (let number = 0; number < 5; number++) permitFor('good', RETRY);
    await clock.advanceAsync(1000);
    expect(admission.isClosedFor(target('good'))).toBe(false);
    expect(requestPermits(50, 'good').count('permit')).toBe(50);
  });
});

describe('an endpoint that is silent about some of its messages', () => {
  /** Twelve attempts hang, the endpoint answers others, and messages are parked. Returns the permits of the twelve. */
  async function hangSome(): Promise<Permit[]> {
    await grow('some');
    const { permits } = requestPermits(12, 'some');
    permitFor('some').release(SUCCESS);
    await clock.advanceAsync(250);
    admission.endpointFor('some').hasBacklog = true;
    return permits;
  }

  it('gets messages that have just arrived, one in each 200 ms, though earlier ones are parked', async () => {
    const permits = await hangSome();
    expect(permitFor('some').kind).toBe('permit');
    await clock.advanceAsync(200);
    expect(permitFor('some').kind).toBe('permit');
    for (const permit of permits)
      permit.release(attempt({ kind: 'timedOut', phase: 'response', afterMs: 450 }));
    expect([...admission.endpoints()].map(({ limiter }) => limiter.inFlight)).toEqual([2]);
  });

  it('lets the message that arrived last wait for the next extra attempt, and rejects earlier ones', async () => {
    await hangSome();
    const { count } = requestPermits(4, 'some');
    expect([count('permit'), count('noCapacity'), count('waits')]).toEqual([1, 0, 3]);
    await clock.advanceAsync(1);
    expect([count('permit'), count('noCapacity'), count('waits')]).toEqual([1, 2, 1]);
    await clock.advanceAsync(224);
    expect([count('permit'), count('noCapacity'), count('waits')]).toEqual([2, 2, 0]);
    expect([admission.waiting, admission.endpointFor('some').newest]).toEqual([0, null]);
  });

  it.each([
    ['the endpoint is paused', () => admission.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }))],
    ['the worker stops', () => admission.close()],
  ])('rejects the message that waits when %s', async (_when, happen) => {
    await hangSome();
    permitFor('some');
    const { count } = requestPermits(1, 'some');
    happen();
    await clock.advanceAsync(25);
    expect([count('noCapacity'), admission.waiting]).toEqual([1, 0]);
  });
});

describe('an operator', () => {
  it('pauses and resumes an endpoint', () => {
    admission.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }));
    expect(admit('any')).toMatchObject({ kind: 'noCapacity', reason: 'paused: moving house' });
    admission.applyLimits(() => NO_LIMITS);
    admission.endpointFor('any').hasBacklog = false;
    expect(admit('any')).toMatchObject({ kind: 'permit' });
  });
});

describe('a rate limit', () => {
  it('admits waiting messages when the rate allows', async () => {
    admission.applyLimits(() => ({ ...NO_LIMITS, ratePerSecond: 10 }));
    const { count } = requestPermits(3, 'rated');
    expect(count('permit')).toBe(1);
    await clock.advanceAsync(130);
    expect(count('permit')).toBe(3);
  });
});

describe('a message that cannot be parked', () => {
  it('waits, and is then admitted beyond the limit of its endpoint', async () => {
    requestPermits(10, 'hangs');
    const { count } = requestPermits(1, 'hangs', { ...FRESH, cannotPark: true });
    await clock.advanceAsync(250);
    expect(count('permit')).toBe(1);
  });

  it('is rejected if its endpoint is paused, even while the message waits', async () => {
    requestPermits(10, 'any');
    const { count } = requestPermits(1, 'any', { ...FRESH, cannotPark: true });
    admission.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }));
    await clock.advanceAsync(250);
    expect(count('noCapacity')).toBe(1);
    expect(admit('any', { ...FRESH, cannotPark: true })).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('closed admission', () => {
  it('rejects all waiting and new messages', async () => {
    const { count } = requestPermits(20, 'any');
    admission.close();
    await clock.advanceAsync(1);
    expect([count('permit'), count('noCapacity')]).toEqual([10, 10]);
    expect(admit('other-one')).toMatchObject({ kind: 'noCapacity' });
  });
});

describe('an idle endpoint', () => {
  it('is evicted ten minutes after its last attempt, unless messages are parked or its Retry-After is not over', async () => {
    permitFor('success').release(SUCCESS);
    for (const permit of requestPermits(10, 'down').permits) permit.release(responded(503));
    for (const permit of requestPermits(10, 'later').permits) permit.release(responded(503, 3_600_000));
    for (const permit of requestPermits(10, 'waits').permits) permit.release(responded(503));
    admission.endpointFor('waits').untried.messages = 1;
    await clock.advanceAsync(600_000);
    admission.tidy();
    expect([...admission.endpoints()]).toHaveLength(4);
    await clock.advanceAsync(1);
    admission.tidy();
    expect([...admission.endpoints()].map(({ key }) => key)).toEqual(['later', 'waits']);
  });

  it('needs no timer', async () => {
    permitFor('success').release(SUCCESS);
    await clock.advanceAsync(100);
    expect(clock.scheduled).toBe(0);
  });
});

describe('many new endpoints that hang', () => {
  const crowd = (from: number, to: number) => {
    for (let number = from; number < to; number++) requestPermits(1, `hangs-${number}`);
  };
  const inFlight = () => [...admission.endpoints()].reduce((sum, { limiter }) => sum + limiter.inFlight, 0);

  it('hold at most half of the slots, and a sixteenth that goes to those met last', async () => {
    crowd(0, 750);
    expect(inFlight()).toBe(SLOTS / 2 + 1);
    for (let number = 750; number < 1000; number += 10) {
      crowd(number, number + 10);
      await clock.advanceAsync(1000);
    }
    expect(inFlight()).toBe(SLOTS / 2 + 6);
  });

  it('do not keep a new endpoint from its first attempt, nor one that was only idle', async () => {
    permitFor('known').release(SUCCESS);
    await clock.advanceAsync(11_000);
    crowd(0, 750);
    await clock.advanceAsync(1000);
    expect(permitFor('new').kind).toBe('permit');
    expect(permitFor('known').kind).toBe('permit');
  });
});

describe('an endpoint with a cap of 1', () => {
  it('starts a retry in its turn, although first attempts wait all the time', async () => {
    admission.applyLimits(() => ({ ...NO_LIMITS, concurrency: 1 }));
    const started: string[] = [];
    const waiting = new Set<string>();
    const send = (name: string, message: typeof FRESH) => {
      waiting.add(name);
      const run = (answer: Permit | Rejected) => {
        waiting.delete(name);
        if (answer.kind !== 'permit') return;
        started.push(name);
        clock.after(50, () => answer.release(SUCCESS));
      };
      void Promise.resolve(admit('a', message)).then(run);
    };
    for (let passed = 0; passed < 10_000; passed += 10) {
      if (!waiting.has('first')) send('first', FRESH);
      if (!waiting.has('retry')) send('retry', RETRY);
      await clock.advanceAsync(10);
    }
    const share = started.filter((name) => name === 'retry').length / started.length;
    expect(share).toBeGreaterThan(0.15);
    expect(share).toBeLessThanOrEqual(0.25);
  });
});
