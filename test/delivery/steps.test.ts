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

type Fakes = {
  readonly fits?: boolean;
  readonly parkingProblem?: string;
  readonly canFill?: boolean;
  readonly isClosed?: boolean;
  readonly isNearLimit?: boolean;
  readonly hasRequeued?: boolean;
  readonly hasGivenBack?: boolean;
  readonly registryProblem?: string;
  /** @default false: no memory is left */
  readonly isHeld?: boolean;
  /** @default the verdict */
  readonly disposition?: Disposition;
};

/** The steps, whose parts record each call in `calls`. */
function createSteps(fakes: Fakes = {}) {
  const calls: string[] = [];
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
    effects: {
      copyObstacle: () => ((fakes.fits ?? true) ? null : 'the limit is 7 bytes'),
    },
    settler: {
      settle: async (_message, _key, _attempt, verdict) => fakes.disposition ?? verdict,
      async fanOut(_message, { endpointKeys }) {
        calls.push(`copied for ${endpointKeys.join(' and ')}`);
        return fakes.disposition ?? { kind: 'park' };
      },
      hasRequeued: () => fakes.hasRequeued ?? false,
    },
    hasGivenBack: () => fakes.hasGivenBack ?? false,
    parkedStream: { problem: () => fakes.parkingProblem ?? null, canFill: () => fakes.canFill ?? false },
    admission: {
      admit: (_target, { isParkedCopy, cannotPark }) => ({
        kind: 'noCapacity',
        reason: `asked, parked copy ${isParkedCopy}, cannot park ${cannotPark}`,
      }),
      targetFor: (target) => target,
      isClosedFor: () => fakes.isClosed ?? false,
    },
    parkedQueues: {
      onParked: (key) => void calls.push(`${key.startsWith('at.') ? 'scheduled in' : 'parked for'} ${key}`),
    },
    ackPending: {
      isNearLimit: () => fakes.isNearLimit ?? false,
      onRetry: () => void calls.push('retried'),
    },
    registry: {
      snapshot: null,
      problem: fakes.registryProblem ?? null,
      refreshed: async () => void calls.push('rows are read again'),
      disableGone: ({ endpoint }) => void calls.push(`disabled ${endpoint?.key ?? 'no row'}`),
    },
    limits: { pauseUntilRegistryIsRead: (key) => void calls.push(`${key} paused until the rows are read`) },
    deferred: { deferUntil: () => (fakes.isHeld ?? false) && calls.push('held until then') > 0 },
    calls: { add() {} },
    statistics: { add: (counters) => void counted.push(counters) },
    log,
    now: () => NOW,
    random: () => 0.5,
  };
  const steps = createDeliverySteps(options);
  const settle = (verdict: Verdict, delivery: typeof DELIVERY | Undeliverable = DELIVERY, outcome = OK) =>
    steps.settle(message(ENVELOPE), delivery, attempt(outcome), verdict);
  return { steps, settle, calls, counted };
}

function deliveryOf(given: Message) {
  const routed = resolve(createMessageParser()(given), given, null, (target) => target);
  if (isFanOut(routed) || 'outcome' in routed) throw new Error('this message names its URL');
  return routed;
}
const DELIVERY = deliveryOf(message(ENVELOPE));
const KEY = DELIVERY.target.endpointKey;
const STALE: Undeliverable = {
  id: 'orders:1',
  endpointKey: 'none',
  webhookId: null,
  outcome: { kind: 'localFault', code: 'REGISTRY_STALE' },
};

describe('admission', () => {
  it('is asked for a permit, and knows whether the message can be parked', async () => {
    const parked = message(ENVELOPE, { isParkedCopy: true });
    expect(await createSteps().steps.admit(parked, DELIVERY)).toMatchObject({
      reason: 'asked, parked copy true, cannot park false',
    });
    expect(await createSteps({ fits: false }).steps.admit(message(ENVELOPE), DELIVERY)).toMatchObject({
      reason: 'asked, parked copy false, cannot park true',
    });
  });

  it('is denied to a redelivered parked copy, because a lost worker may have parked it again', async () => {
    const lost = message(ENVELOPE, { isParkedCopy: true, isRedeliveredCopy: true });
    expect(await createSteps().steps.admit(lost, DELIVERY)).toMatchObject({
      reason: 'NATS delivered this copy before, and no worker settled it',
    });
  });

  it.each([
    ['the parked stream is full', { parkingProblem: 'it is full' }],
    ['the message is too large for a copy', { fits: false }],
  ])('is asked for a redelivered parked copy if %s, because the copy cannot be parked again', async (_why, fakes) => {
    const lost = message(ENVELOPE, { isParkedCopy: true, isRedeliveredCopy: true });
    expect(await createSteps(fakes).steps.admit(lost, DELIVERY)).toMatchObject({
      reason: expect.stringContaining('asked'),
    });
  });

  it('is not asked for a message without a slot', async () => {
    expect(await withoutSlot(createSteps().steps).admit(message(ENVELOPE), DELIVERY)).toEqual({
      kind: 'noCapacity',
      reason: 'this worker has no free slot',
    });
  });
});

describe('a failed message', () => {
  it.each([
    ['in its stream', {}, {}, 'nak'],
    ['in its parked queue, if it is a parked copy', {}, { isParkedCopy: true }, 'park'],
    [
      'in its parked queue, if too many messages of the stream are unacked',
      { isNearLimit: true },
      {},
      'park',
    ],
    [
      'in its parked queue, if its endpoint is paused or its circuit breaker is not closed',
      { isClosed: true },
      {},
      'park',
    ],
    [
      'in its parked queue, if it has a Nats-TTL, because NATS would remove the message from its stream',
      {},
      { headers: { 'Nats-TTL': '60s' } },
      'park',
    ],
    ['in its stream, if its Nats-TTL is never', {}, { headers: { 'Nats-TTL': 'never' } }, 'nak'],
  ] as const)('waits for its next attempt %s', (_where, fakes, given, retryVia) => {
    expect(createSteps(fakes).steps.retryVia(message(ENVELOPE, given), DELIVERY)).toBe(retryVia);
  });

  it('is counted as unacked if it waits in the stream', async () => {
    const { settle, calls } = createSteps();
    expect(await settle(RETRY)).toEqual(RETRY);
    expect(calls).toEqual(['retried']);
  });

  it('disables its row after a 410, once its dead letter is stored', async () => {
    const gone: Verdict = { kind: 'deadLetter', reason: 'gone' };
    const stored = createSteps();
    await stored.settle(gone);
    expect(stored.calls).toEqual(['disabled no row']);
    const refused = createSteps({ disposition: { kind: 'requeued', delayMs: 5000 } });
    await refused.settle(gone);
    expect(refused.calls).toEqual([]);
  });
});

describe('the number of deliveries by NATS', () => {
  it.each([
    ['this worker has requeued a message', { hasRequeued: true }],
    ['a message was given back before it came here', { hasGivenBack: true }],
    ['the parked stream has a limit', { canFill: true }],
    ['copies cannot be stored now', { parkingProblem: 'it is full' }],
    ['the message is too large for a copy', { fits: false }],
  ])('is not the number of attempts if %s', (_what, fakes) => {
    expect(createSteps(fakes).steps.hasRequeued(message(ENVELOPE))).toBe(true);
  });

  it('is the number of attempts otherwise', () => {
    expect(createSteps().steps.hasRequeued(message(ENVELOPE))).toBe(false);
  });
});

describe('a parked message', () => {
  it('is announced to the reader of its queue', async () => {
    const { settle, calls } = createSteps();
    await settle({ kind: 'park' });
    await settle({ kind: 'schedule', dueAt: NOW + 300_000 });
    expect(calls).toEqual([`parked for ${KEY}`, 'scheduled in at.2027-01-31T12:05']);
  });

  it('is announced to no reader if it was requeued instead', async () => {
    const { settle, calls } = createSteps({ disposition: { kind: 'requeued', delayMs: 2000 } });
    await settle({ kind: 'park' });
    expect(calls).toEqual([]);
  });
});

describe('a message whose row may be newer than the registry', () => {
  it('is held until the rows are read again', async () => {
    let detached = 0;
    const { steps, calls } = createSteps({ isHeld: true });
    const given = message({}, { detach: () => void detached++ });
    const disposition = await steps.settle(given, STALE, attempt(STALE.outcome), { kind: 'park' });
    expect(disposition).toEqual({ kind: 'deferred' });
    expect([calls, detached]).toEqual([['rows are read again', 'held until then'], 1]);
  });

  it.each([
    ['the rows cannot be read', { registryProblem: 'PostgreSQL is away', isHeld: true }],
    ['no memory is left', {}],
  ])('is parked if %s, and its queue waits for the rows', async (_why, fakes) => {
    const { settle, calls } = createSteps(fakes);
    expect(await settle({ kind: 'park' }, STALE, STALE.outcome)).toEqual({ kind: 'park' });
    expect(calls.slice(-2)).toEqual(['none paused until the rows are read', 'parked for none']);
  });
});

describe('a message for several endpoints', () => {
  const fanOut: FanOut = { id: 'orders:1', endpointKeys: ['one', 'two'], webhookIds: [1, 2] };

  it('is copied, counted once, and announced to the reader of each queue', async () => {
    const { steps, calls, counted } = createSteps();
    expect(await steps.fanOut(message({}), fanOut)).toBeNull();
    expect(calls).toEqual(['copied for one and two', 'parked for one', 'parked for two']);
    expect(counted).toMatchObject([{ parked: 1, attempts: 0 }]);
  });

  it('becomes a dead letter if it is too large to be copied', async () => {
    const { steps, calls } = createSteps({ fits: false });
    expect(await steps.fanOut(message({}), fanOut)).toMatchObject({
      outcome: {
        kind: 'undeliverable',
        reason: 'malformed',
        detail: expect.stringMatching(/2 endpoints.*the limit is 7 bytes/),
      },
    });
    expect(calls).toEqual([]);
  });
});
