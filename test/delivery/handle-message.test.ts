import { describe, expect, it } from 'vitest';
import { endpointOf, Registry } from '../../src/core/endpoint/registry.ts';
import type { Delivery } from '../../src/core/message/delivery.ts';
import { createMessageParser } from '../../src/core/message/envelope.ts';
import type { Attempt, Outcome } from '../../src/core/retry/attempt.ts';
import type { Disposition } from '../../src/core/retry/disposition.ts';
import type { RetryVia } from '../../src/core/retry/verdict.ts';
import type { Permit, Rejected } from '../../src/delivery/admission/tracked-endpoint.ts';
import { type DeliverySteps, handleMessage } from '../../src/delivery/handle-message.ts';
import type { Message } from '../../src/delivery/message.ts';
import type { Undeliverable } from '../../src/delivery/resolve.ts';
import { registeredRow } from '../core/endpoint/registered-row.ts';
import { ENVELOPE, message } from './messages.ts';

const NO_ROWS = new Registry([]);
const RETRIES = {
  maxAttempts: 3,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1000, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 60_000 },
};
const ROW_POLICY = { retries: RETRIES, disabled: 'park' } as const;
const TWO_ROWS = new Registry(
  ['one', 'two'].map((name, id) =>
    endpointOf(registeredRow({ id, name, natsSubject: 'webhooks.orders' }), ROW_POLICY),
  ),
);
const TOO_LARGE: Undeliverable = {
  id: 'orders:1',
  endpointKey: 'none',
  outcome: { kind: 'undeliverable', reason: 'malformed', detail: 'too large' },
};
const OK: Outcome = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };
const FAILED: Outcome = { kind: 'responded', status: 500, retryAfterMs: null, excerpt: 'oops' };

const NO_ROOM: Rejected = { kind: 'noCapacity', reason: 'its circuit breaker is open' };

type World = {
  /** @default a pass that says nothing */
  readonly room?: Rejected | Promise<Rejected>;
  readonly retryVia?: RetryVia;
  readonly hasHandedBack?: boolean;
  readonly now?: () => number;
  readonly rows?: Registry;
  /** Why it cannot be copied. @default it is copied */
  readonly uncopied?: Undeliverable;
  /** What the server does in place of what it is told. */
  readonly settled?: Disposition;
};

/** Handles one message; its endpoint does `outcome`. */
async function handle(given: Message, outcome: Outcome = OK, world: World = {}) {
  const sent: Delivery[] = [];
  const left: Attempt[] = [];
  const steps: string[] = [];
  const recorded: { attempt: Attempt; done: Disposition }[] = [];
  const around: DeliverySteps<Message> = {
    policy: RETRIES,
    maxAgeMs: 0,
    parse: createMessageParser(),
    admit: (_message, delivery) => {
      steps.push(`enter ${delivery.target.endpointKey}`);
      const pass: Permit = {
        kind: 'permit',
        release(attempt) {
          steps.push('leave');
          left.push(attempt);
        },
      };
      return world.room ?? pass;
    },
    registry: () => ({ registry: world.rows ?? NO_ROWS, asOf: 1 }),
    async fanOut(_message, { endpointKeys }) {
      steps.push(`copy for ${endpointKeys.length}`);
      return world.uncopied ?? null;
    },
    hasRequeued: () => world.hasHandedBack ?? false,
    retryVia: () => world.retryVia ?? 'nak',
    async send(delivery) {
      steps.push('send');
      sent.push(delivery);
      return { outcome, startedAt: 1000, durationMs: 5 };
    },
    async settle(_message, _delivery, _attempt, verdict) {
      steps.push(`settle ${verdict.kind}`);
      return world.settled ?? verdict;
    },
    record(_message, _delivery, attempt, done) {
      steps.push(`record ${done.kind}`);
      recorded.push({ attempt, done });
    },
    now: world.now ?? (() => 1000),
    random: () => 0.5,
  };
  await handleMessage(given, around);
  return { sent, left, steps, recorded: recorded[0]! };
}

describe('the journey of a message', () => {
  it('is sent, acked and recorded', async () => {
    const { sent, steps } = await handle(message(ENVELOPE));
    const { endpointKey } = sent[0]!.target;
    expect(steps).toEqual([`enter ${endpointKey}`, 'send', 'leave', 'settle ack', 'record ack']);
    expect(Buffer.from(sent[0]!.body!).toString()).toBe('{"n":1}');
  });

  it.each([
    ['a success', OK],
    ['a failure', FAILED],
    ['our own shutdown', { kind: 'aborted' }],
  ] as const)('tells the room of its endpoint about %s, once', async (_what, outcome) => {
    const { left, recorded } = await handle(message(ENVELOPE), outcome);
    expect(left).toEqual([recorded.attempt]);
    expect(left[0]!.outcome).toEqual(outcome);
  });

  it.each([
    ['at once', NO_ROOM],
    ['after a wait', Promise.resolve(NO_ROOM)],
  ])('is parked where its endpoint has no room, which it hears %s: nothing is sent, and it is recorded', async (_when, room) => {
    const { sent, left, steps, recorded } = await handle(message(ENVELOPE), OK, { room });
    expect(sent).toEqual([]);
    expect(left).toEqual([]);
    expect(steps.slice(1)).toEqual(['settle park', 'record park']);
    expect(recorded.attempt).toEqual({ outcome: NO_ROOM, startedAt: 1000, durationMs: 0 });
    expect(recorded.done).toEqual({ kind: 'park' });
  });

  it('is parked without room even where an attempt would be its last', async () => {
    const last = message(ENVELOPE, { attemptNumber: 3 });
    expect((await handle(last, OK, { room: NO_ROOM })).recorded.done).toEqual({ kind: 'park' });
  });

  it('has the same id at every hand-out', async () => {
    const ids = [1, 2, 3].map(
      async (attemptNumber) => (await handle(message(ENVELOPE, { attemptNumber }))).sent[0]!.id,
    );
    expect(new Set(await Promise.all(ids))).toEqual(new Set(['WEBHOOKS-loyw3v28-7']));
  });

  it('is tried again after a delay that doubles', async () => {
    const delays = [1, 2].map(
      async (attemptNumber) => (await handle(message(ENVELOPE, { attemptNumber }), FAILED)).recorded.done,
    );
    expect(await Promise.all(delays)).toEqual([
      { kind: 'retry', delayMs: 1000, retryVia: 'nak' },
      { kind: 'retry', delayMs: 2000, retryVia: 'nak' },
    ]);
  });

  it('waits for its next attempt where it is told to', async () => {
    const { recorded } = await handle(message(ENVELOPE), FAILED, { retryVia: 'park' });
    expect(recorded.done).toEqual({ kind: 'retry', delayMs: 1000, retryVia: 'park' });
  });

  it('ends as a dead letter with its last attempt', async () => {
    const { steps, recorded } = await handle(message(ENVELOPE, { attemptNumber: 3 }), FAILED);
    expect(steps.slice(1)).toEqual(['send', 'leave', 'settle deadLetter', 'record deadLetter']);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it('is not sent again when dead workers used up its attempts', async () => {
    const { steps, recorded } = await handle(message(ENVELOPE, { attemptNumber: 4 }), OK, { room: NO_ROOM });
    expect(steps).toEqual(['settle deadLetter', 'record deadLetter']);
    expect(recorded.attempt.outcome).toEqual({ kind: 'lostAttempts', deliveryCount: 3 });
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it('is sent even after many hand-outs where messages were handed back unsent, and then given up', async () => {
    const given = message(ENVELOPE, { attemptNumber: 4 });
    const { sent, recorded } = await handle(given, FAILED, { hasHandedBack: true });
    expect(sent).toHaveLength(1);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it.each([
    ['no URL', { event: 'x' }, 'unroutable'],
    ['no JSON', 'not json', 'unroutable'],
    ['nothing at all', '', 'unroutable'],
    ['a URL that is none', { webhook_url: 'nonsense' }, 'malformed'],
    ['a URL of another kind', { webhook_url: 'ftp://example.com/' }, 'malformed'],
    ['a header that breaks the request', { ...ENVELOPE, headers: { Host: 'evil' } }, 'malformed'],
    ['an envelope that breaks off', '{"webhook_url":"https://example.com/","data":{', 'malformed'],
    ['a password in its URL', { webhook_url: 'https://me:secret@example.com/' }, 'forbidden'],
  ])('with %s is a dead letter, without a request', async (_what, body, reason) => {
    const { sent, recorded } = await handle(message(body));
    expect(sent).toEqual([]);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason });
  });

  it('for several endpoints is copied for each, and that is all', async () => {
    const orders = message({ event: 'x' }, { subject: 'webhooks.orders' });
    expect((await handle(orders, OK, { rows: TWO_ROWS })).steps).toEqual(['copy for 2']);
  });

  it('for several endpoints that cannot be copied is a dead letter, without a request', async () => {
    const orders = message({ event: 'x' }, { subject: 'webhooks.orders' });
    const { steps, recorded } = await handle(orders, OK, { rows: TWO_ROWS, uncopied: TOO_LARGE });
    expect(steps).toEqual(['copy for 2', 'settle deadLetter', 'record deadLetter']);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'malformed' });
  });

  it('waits for its time before anybody is asked who gets it, and whether there is room', async () => {
    const headers = { 'Webhook-Deliver-At': '2' };
    for (const body of [ENVELOPE, { event: 'x' }]) {
      const { steps, recorded } = await handle(message(body, { headers }));
      expect(steps).toEqual(['settle schedule', 'record schedule']);
      expect(recorded.done).toEqual({ kind: 'schedule', dueAt: 2000 });
    }
    const dueNow = { 'Webhook-Deliver-At': '1' };
    const due = message(ENVELOPE, { headers: dueNow, notBefore: 1000, isParkedCopy: true });
    expect((await handle(due)).sent).toHaveLength(1);
  });

  it.each([
    ['and is for an endpoint', ENVELOPE],
    ['and nobody is there for it', { event: 'x' }],
  ])('that is too late %s is a dead letter, without a request', async (_what, body) => {
    const { steps, recorded } = await handle(message(body, { headers: { 'Webhook-Expires-At': '1' } }));
    expect(steps).toEqual(['settle deadLetter', 'record deadLetter']);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'expired' });
  });

  it('that became too late while it waited for room is not sent, and its room is free again', async () => {
    const times = [1000];
    const { sent, left, recorded } = await handle(
      message(ENVELOPE, { headers: { 'Webhook-Expires-At': '2' } }),
      OK,
      { now: () => times.shift() ?? 3000 },
    );
    expect([sent, left.length]).toEqual([[], 1]);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'expired' });
  });

  it.each([
    ['a time that is none', ENVELOPE, { 'Webhook-Deliver-At': 'soon' }],
    ['a replay that is perhaps one', { event: 'x' }, { 'Webhook-Replayed': 'perhaps' }],
    ['a broken body, though it is to be sent later', '{"webhook_url":', { 'Webhook-Deliver-At': '9' }],
  ])('with %s is told at once', async (_what, body, headers) => {
    const { recorded } = await handle(message(body, { headers }));
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'malformed' });
  });

  it('is recorded as what was done, not as what was wanted', async () => {
    const { recorded } = await handle(message('not json'), OK, { settled: { kind: 'requeued', delayMs: 0 } });
    expect(recorded.done).toEqual({ kind: 'requeued', delayMs: 0 });
  });

  it('is parked for another worker when our own shutdown cuts it off', async () => {
    expect((await handle(message(ENVELOPE), { kind: 'aborted' })).steps).toContain('settle park');
  });
});
