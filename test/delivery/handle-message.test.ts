import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../src/core/endpoint/registry.ts';
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
  webhookId: null,
  outcome: { kind: 'undeliverable', reason: 'malformed', detail: 'too large' },
};
const OK: Outcome = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };
const FAILED: Outcome = { kind: 'responded', status: 500, retryAfterMs: null, excerpt: 'oops' };

const NO_CAPACITY: Rejected = { kind: 'noCapacity', reason: 'the circuit breaker of the endpoint is open' };

type Fakes = {
  /** @default a permit is granted */
  readonly rejected?: Rejected | Promise<Rejected>;
  readonly retryVia?: RetryVia;
  readonly hasRequeued?: boolean;
  readonly now?: () => number;
  readonly rows?: Registry;
  /** Why the message cannot be copied. @default null: the message is copied */
  readonly copyFailure?: Undeliverable;
  /** @default the verdict */
  readonly disposition?: Disposition;
};

/** Handles one message. Its request has this outcome. */
async function handle(given: Message, outcome: Outcome = OK, fakes: Fakes = {}) {
  const sent: Delivery[] = [];
  const released: Attempt[] = [];
  const steps: string[] = [];
  const recorded: { attempt: Attempt; done: Disposition }[] = [];
  const deliverySteps: DeliverySteps<Message> = {
    policy: RETRIES,
    maxAgeMs: 0,
    parse: createMessageParser(),
    targetFor: (target) => target,
    admit: (_message, delivery) => {
      steps.push(`admit ${delivery.target.endpointKey}`);
      const permit: Permit = {
        kind: 'permit',
        release(attempt) {
          steps.push('release');
          released.push(attempt);
        },
      };
      return fakes.rejected ?? permit;
    },
    registry: () => ({ registry: fakes.rows ?? NO_ROWS, asOf: 1 }),
    async fanOut(_message, { endpointKeys }) {
      steps.push(`copy for ${endpointKeys.length}`);
      return fakes.copyFailure ?? null;
    },
    hasRequeued: () => fakes.hasRequeued ?? false,
    retryVia: () => fakes.retryVia ?? 'nak',
    async send(delivery) {
      steps.push('send');
      sent.push(delivery);
      return { outcome, startedAt: 1000, durationMs: 5 };
    },
    async settle(_message, _delivery, _attempt, verdict) {
      steps.push(`settle ${verdict.kind}`);
      return fakes.disposition ?? verdict;
    },
    record(_message, _delivery, attempt, done) {
      steps.push(`record ${done.kind}`);
      recorded.push({ attempt, done });
    },
    now: fakes.now ?? (() => 1000),
    random: () => 0.5,
  };
  await handleMessage(given, deliverySteps);
  return { sent, released, steps, recorded: recorded[0]! };
}

describe('a message', () => {
  it('is sent, acked and recorded', async () => {
    const { sent, steps } = await handle(message(ENVELOPE));
    const { endpointKey } = sent[0]!.target;
    expect(steps).toEqual([`admit ${endpointKey}`, 'send', 'release', 'settle ack', 'record ack']);
    expect(Buffer.from(sent[0]!.body!).toString()).toBe('{"n":1}');
  });

  it.each([
    ['a success', OK],
    ['a failure', FAILED],
    ['an attempt that our shutdown aborted', { kind: 'aborted' }],
  ] as const)('releases its permit once, with its attempt, after %s', async (_what, outcome) => {
    const { released, recorded } = await handle(message(ENVELOPE), outcome);
    expect(released).toEqual([recorded.attempt]);
    expect(released[0]!.outcome).toEqual(outcome);
  });

  it.each([
    ['at once', NO_CAPACITY],
    ['after a wait', Promise.resolve(NO_CAPACITY)],
  ])('is parked and recorded, and not sent, if admission rejects it %s', async (_when, rejected) => {
    const { sent, released, steps, recorded } = await handle(message(ENVELOPE), OK, { rejected });
    expect(sent).toEqual([]);
    expect(released).toEqual([]);
    expect(steps.slice(1)).toEqual(['settle park', 'record park']);
    expect(recorded.attempt).toEqual({ outcome: NO_CAPACITY, startedAt: 1000, durationMs: 0 });
    expect(recorded.done).toEqual({ kind: 'park' });
  });

  it('is parked if admission rejects it, even before its last attempt', async () => {
    const last = message(ENVELOPE, { attemptNumber: 3 });
    expect((await handle(last, OK, { rejected: NO_CAPACITY })).recorded.done).toEqual({ kind: 'park' });
  });

  it('has the same id at every delivery by NATS', async () => {
    const ids = [1, 2, 3].map(
      async (attemptNumber) => (await handle(message(ENVELOPE, { attemptNumber }))).sent[0]!.id,
    );
    expect(new Set(await Promise.all(ids))).toEqual(new Set(['WEBHOOKS-loyw3v28-7']));
  });

  it('is retried after a delay that doubles', async () => {
    const delays = [1, 2].map(
      async (attemptNumber) => (await handle(message(ENVELOPE, { attemptNumber }), FAILED)).recorded.done,
    );
    expect(await Promise.all(delays)).toEqual([
      { kind: 'retry', delayMs: 1000, retryVia: 'nak' },
      { kind: 'retry', delayMs: 2000, retryVia: 'nak' },
    ]);
  });

  it('waits for its next attempt in the parked queue if the steps say so', async () => {
    const { recorded } = await handle(message(ENVELOPE), FAILED, { retryVia: 'park' });
    expect(recorded.done).toEqual({ kind: 'retry', delayMs: 1000, retryVia: 'park' });
  });

  it('becomes a dead letter after its last attempt', async () => {
    const { steps, recorded } = await handle(message(ENVELOPE, { attemptNumber: 3 }), FAILED);
    expect(steps.slice(1)).toEqual(['send', 'release', 'settle deadLetter', 'record deadLetter']);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it('becomes a dead letter without a request if workers that died used up its attempts', async () => {
    const { steps, recorded } = await handle(message(ENVELOPE, { attemptNumber: 4 }), OK, {
      rejected: NO_CAPACITY,
    });
    expect(steps).toEqual(['settle deadLetter', 'record deadLetter']);
    expect(recorded.attempt.outcome).toEqual({ kind: 'lostAttempts', deliveryCount: 3 });
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it('is sent once more, and then given up, if its many deliveries by NATS may have been requeues', async () => {
    const given = message(ENVELOPE, { attemptNumber: 4 });
    const { sent, recorded } = await handle(given, FAILED, { hasRequeued: true });
    expect(sent).toHaveLength(1);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it.each([
    ['no URL', { event: 'x' }, 'unroutable'],
    ['no JSON', 'not json', 'unroutable'],
    ['no data', '', 'unroutable'],
    ['an invalid URL', { webhook_url: 'nonsense' }, 'malformed'],
    ['a URL that is neither http nor https', { webhook_url: 'ftp://example.com/' }, 'malformed'],
    ['a header that breaks the request', { ...ENVELOPE, headers: { Host: 'evil' } }, 'malformed'],
    ['an incomplete envelope', '{"webhook_url":"https://example.com/","data":{', 'malformed'],
    ['a password in its URL', { webhook_url: 'https://me:secret@example.com/' }, 'forbidden'],
  ])('becomes a dead letter without a request if it has %s', async (_what, body, reason) => {
    const { sent, recorded } = await handle(message(body));
    expect(sent).toEqual([]);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason });
  });

  it('is only copied, once per endpoint, if several rows match', async () => {
    const orders = message({ event: 'x' }, { subject: 'webhooks.orders' });
    expect((await handle(orders, OK, { rows: TWO_ROWS })).steps).toEqual(['copy for 2']);
  });

  it('becomes a dead letter without a request if several rows match and it cannot be copied', async () => {
    const orders = message({ event: 'x' }, { subject: 'webhooks.orders' });
    const { steps, recorded } = await handle(orders, OK, { rows: TWO_ROWS, copyFailure: TOO_LARGE });
    expect(steps).toEqual(['copy for 2', 'settle deadLetter', 'record deadLetter']);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'malformed' });
  });

  it('is discarded without a request if it is a delete marker of NATS', async () => {
    const marker = message('', { headers: { 'Nats-Marker-Reason': 'MaxAge', 'Nats-TTL': '1s' } });
    const { steps, recorded } = await handle({ ...marker, subject: 'webhooks.orders' }, OK, {
      rows: TWO_ROWS,
    });
    expect(steps).toEqual(['settle discard', 'record discard']);
    expect(recorded.attempt.outcome.kind).toBe('deleteMarker');
  });

  it('is scheduled before it is resolved and admitted if it is not due, and is sent when it is due', async () => {
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
    ['has a URL', ENVELOPE],
    ['matches no row', { event: 'x' }],
  ])('becomes a dead letter without a request if it is expired and %s', async (_what, body) => {
    const { steps, recorded } = await handle(message(body, { headers: { 'Webhook-Expires-At': '1' } }));
    expect(steps).toEqual(['settle deadLetter', 'record deadLetter']);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'expired' });
  });

  it('is not sent, and its permit is released, if it expires while it waits for capacity', async () => {
    const times = [1000];
    const { sent, released, recorded } = await handle(
      message(ENVELOPE, { headers: { 'Webhook-Expires-At': '2' } }),
      OK,
      { now: () => times.shift() ?? 3000 },
    );
    expect([sent, released.length]).toEqual([[], 1]);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'expired' });
  });

  it.each([
    ['an invalid time', ENVELOPE, { 'Webhook-Deliver-At': 'soon' }],
    ['an invalid replay header', { event: 'x' }, { 'Webhook-Replayed': 'perhaps' }],
    ['an incomplete envelope, even if it is not due', '{"webhook_url":', { 'Webhook-Deliver-At': '9' }],
  ])('becomes a dead letter at once if it has %s', async (_what, body, headers) => {
    const { recorded } = await handle(message(body, { headers }));
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'malformed' });
  });

  it('is recorded with its disposition, not with its verdict', async () => {
    const { recorded } = await handle(message('not json'), OK, {
      disposition: { kind: 'requeued', delayMs: 0 },
    });
    expect(recorded.done).toEqual({ kind: 'requeued', delayMs: 0 });
  });

  it('is parked for another worker if our shutdown aborts its attempt', async () => {
    expect((await handle(message(ENVELOPE), { kind: 'aborted' })).steps).toContain('settle park');
  });
});
