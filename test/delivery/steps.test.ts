import { describe, expect, it } from 'vitest';
import { createMessageParser } from '../../src/core/message/envelope.ts';
import type { Counters } from '../../src/core/records/statistics.ts';
import type { Attempt, Outcome } from '../../src/core/retry/attempt.ts';
import type { Disposition } from '../../src/core/retry/disposition.ts';
import type { Verdict } from '../../src/core/retry/verdict.ts';
import type { Message } from '../../src/delivery/message.ts';
import { type FanOut, isFanOut, resolve, type Undeliverable } from '../../src/delivery/resolve.ts';
import { createDeliverySteps, type StepsOptions, withoutSlot } from '../../src/delivery/steps.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { ENVELOPE, message } from './messages.ts';

const log = await createLogger({ level: 'silent', format: 'json' });
const NOW = Date.parse('2027-01-31T12:00:00Z');
const OK: Outcome = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };
const RETRY: Verdict = { kind: 'retry', delayMs: 1000, retryVia: 'nak' };
const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: NOW, durationMs: 5 });

type World = {
  readonly fits?: boolean;
  readonly parkingProblem?: string;
  readonly canFill?: boolean;
  readonly isClosed?: boolean;
  readonly isNearLimit?: boolean;
  readonly hasRequeued?: boolean;
  readonly registryProblem?: string;
  /** @default there is no memory left */
  readonly isHeld?: boolean;
  /** @default what was decided */
  readonly done?: Disposition;
};

/** The steps, over parts that write down what they hear. */
function open(world: World = {}) {
  const heard: string[] = [];
  const counted: Counters[] = [];
  const options: StepsOptions<Message> = {
    policy: {
      maxAttempts: 3,
      terminalStatuses: new Set(),
      backoff: { baseMs: 1000, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 60_000 },
    },
    maxAgeMs: 0,
    attemptLog: 'all',
    storedBytes: 0,
    parse: createMessageParser(),
    send: async () => attempt(OK),
    effects: { fits: () => world.fits ?? true },
    settler: {
      settle: async (_message, _key, _attempt, verdict) => world.done ?? verdict,
      async fanOut(_message, _id, endpointKeys) {
        heard.push(`copied for ${endpointKeys.join(' and ')}`);
        return world.done ?? { kind: 'park' };
      },
      hasRequeued: () => world.hasRequeued ?? false,
    },
    parkedStream: { problem: () => world.parkingProblem ?? null, canFill: () => world.canFill ?? false },
    admission: {
      admit: (_target, { isParkedCopy, cannotPark }) => ({
        kind: 'noCapacity',
        reason: `asked, parked copy ${isParkedCopy}, cannot park ${cannotPark}`,
      }),
      isClosedFor: () => world.isClosed ?? false,
    },
    parkedQueues: {
      onParked: (key) => void heard.push(`${key.startsWith('at.') ? 'scheduled in' : 'parked for'} ${key}`),
    },
    ackPending: {
      isNearLimit: () => world.isNearLimit ?? false,
      onRetry: () => void heard.push('retried'),
    },
    registry: {
      snapshot: null,
      problem: world.registryProblem ?? null,
      refreshed: async () => void heard.push('rows are read again'),
      disableGone: ({ endpoint }) => void heard.push(`disabled ${endpoint?.key ?? 'no row'}`),
    },
    limits: { pauseUntilRegistryIsRead: (key) => void heard.push(`${key} paused until the rows are read`) },
    deferred: { deferUntil: () => (world.isHeld ?? false) && heard.push('held until then') > 0 },
    statistics: { add: (counters) => void counted.push(counters) },
    log,
    now: () => NOW,
    random: () => 0.5,
  };
  const steps = createDeliverySteps(options);
  const settle = (verdict: Verdict, delivery: typeof DELIVERY | Undeliverable = DELIVERY, outcome = OK) =>
    steps.settle(message(ENVELOPE), delivery, attempt(outcome), verdict);
  return { steps, settle, heard, counted };
}

function deliveryOf(given: Message) {
  const routed = resolve(createMessageParser()(given), given, null);
  if (isFanOut(routed) || 'outcome' in routed) throw new Error('this message names its URL');
  return routed;
}
const DELIVERY = deliveryOf(message(ENVELOPE));
const KEY = DELIVERY.target.endpointKey;
const STALE: Undeliverable = {
  id: 'orders:1',
  endpointKey: 'none',
  outcome: { kind: 'localFault', code: 'REGISTRY_STALE' },
};

describe('admission', () => {
  it('is asked for a permit, and told whether the message can be parked', async () => {
    const parked = message(ENVELOPE, { isParkedCopy: true });
    expect(await open().steps.admit(parked, DELIVERY)).toMatchObject({
      reason: 'asked, parked copy true, cannot park false',
    });
    expect(await open({ fits: false }).steps.admit(message(ENVELOPE), DELIVERY)).toMatchObject({
      reason: 'asked, parked copy false, cannot park true',
    });
  });

  it('rejects a parked copy that a lost worker may have parked again', async () => {
    const lost = message(ENVELOPE, { isParkedCopy: true, isRedeliveredCopy: true });
    expect(await open().steps.admit(lost, DELIVERY)).toMatchObject({
      reason: 'NATS delivered this copy before, and no worker settled it',
    });
  });

  it.each([
    ['the parked stream is full', { parkingProblem: 'it is full' }],
    ['the message is too large for a copy', { fits: false }],
  ])('takes such a copy if %s: parking it again would be no end', async (_why, world) => {
    const lost = message(ENVELOPE, { isParkedCopy: true, isRedeliveredCopy: true });
    expect(await open(world).steps.admit(lost, DELIVERY)).toMatchObject({
      reason: expect.stringContaining('asked'),
    });
  });

  it('is not asked for a message for which there is no slot', async () => {
    expect(await withoutSlot(open().steps).admit(message(ENVELOPE), DELIVERY)).toEqual({
      kind: 'noCapacity',
      reason: 'this worker has no free slot',
    });
  });
});

describe('a message that fails', () => {
  it.each([
    ['in its stream', {}, {}, 'nak'],
    ['in its parked queue, if it came from there', {}, { isParkedCopy: true }, 'park'],
    ['in its parked queue, if too many messages wait in the stream', { isNearLimit: true }, {}, 'park'],
    ['in its parked queue, if its endpoint is closed', { isClosed: true }, {}, 'park'],
  ] as const)('waits for its next attempt %s', (_where, world, given, retryVia) => {
    expect(open(world).steps.retryVia(message(ENVELOPE, given), DELIVERY)).toBe(retryVia);
  });

  it('counts among those that wait in the stream', async () => {
    const { settle, heard } = open();
    expect(await settle(RETRY)).toEqual(RETRY);
    expect(heard).toEqual(['retried']);
  });

  it('with 410 disables its row, once the dead letter is stored', async () => {
    const gone: Verdict = { kind: 'deadLetter', reason: 'gone' };
    const stored = open();
    await stored.settle(gone);
    expect(stored.heard).toEqual(['disabled no row']);
    const refused = open({ done: { kind: 'requeued', delayMs: 5000 } });
    await refused.settle(gone);
    expect(refused.heard).toEqual([]);
  });
});

describe('a number of deliveries by NATS', () => {
  it.each([
    ['this worker has requeued', { hasRequeued: true }],
    ['the parked stream has a limit', { canFill: true }],
    ['copies cannot be stored now', { parkingProblem: 'it is full' }],
    ['the message is too large for a copy', { fits: false }],
  ])('says nothing of attempts if %s', (_what, world) => {
    expect(open(world).steps.hasRequeued(message(ENVELOPE))).toBe(true);
  });

  it('is the number of attempts otherwise', () => {
    expect(open().steps.hasRequeued(message(ENVELOPE))).toBe(false);
  });
});

describe('a message that is parked', () => {
  it('is told to the reader of its queue', async () => {
    const { settle, heard } = open();
    await settle({ kind: 'park' });
    await settle({ kind: 'schedule', dueAt: NOW + 300_000 });
    expect(heard).toEqual([`parked for ${KEY}`, 'scheduled in at.2027-01-31T12:05']);
  });

  it('is told to nobody if it was requeued in fact', async () => {
    const { settle, heard } = open({ done: { kind: 'requeued', delayMs: 2000 } });
    await settle({ kind: 'park' });
    expect(heard).toEqual([]);
  });
});

describe('a message whose row may be younger than what is known', () => {
  it('is held until the rows were read again', async () => {
    let detached = 0;
    const { steps, heard } = open({ isHeld: true });
    const given = message({}, { detach: () => void detached++ });
    const disposition = await steps.settle(given, STALE, attempt(STALE.outcome), { kind: 'park' });
    expect(disposition).toEqual({ kind: 'deferred' });
    expect([heard, detached]).toEqual([['rows are read again', 'held until then'], 1]);
  });

  it.each([
    ['the rows cannot be read', { registryProblem: 'PostgreSQL is away', isHeld: true }],
    ['there is no memory left for it', {}],
  ])('is parked if %s, and its queue waits for the rows', async (_why, world) => {
    const { settle, heard } = open(world);
    expect(await settle({ kind: 'park' }, STALE, STALE.outcome)).toEqual({ kind: 'park' });
    expect(heard.slice(-2)).toEqual(['none paused until the rows are read', 'parked for none']);
  });
});

describe('a message of several endpoints', () => {
  const fanOut: FanOut = { id: 'orders:1', endpointKeys: ['one', 'two'] };

  it('is copied, counted once, and told to the reader of each queue', async () => {
    const { steps, heard, counted } = open();
    expect(await steps.fanOut(message({}), fanOut)).toBeNull();
    expect(heard).toEqual(['copied for one and two', 'parked for one', 'parked for two']);
    expect(counted).toMatchObject([{ parked: 1, attempts: 0 }]);
  });

  it('is a dead letter if it is too large for copies', async () => {
    const { steps, heard } = open({ fits: false });
    expect(await steps.fanOut(message({}), fanOut)).toMatchObject({
      outcome: { kind: 'undeliverable', reason: 'malformed', detail: expect.stringContaining('2 endpoints') },
    });
    expect(heard).toEqual([]);
  });
});
