import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../../src/core/endpoint/registry.ts';
import type { Delivery } from '../../../src/core/message/delivery.ts';
import { createMessageParser } from '../../../src/core/message/envelope.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';
import type { Verdict } from '../../../src/core/retry/verdict.ts';
import { resolve, type Undeliverable } from '../../../src/delivery/resolve.ts';
import { attemptRecord, deadLetterRecord } from '../../../src/delivery/statistics/records.ts';
import { registeredRow } from '../../core/endpoint/registered-row.ts';
import { ENVELOPE, message } from '../messages.ts';

const parse = createMessageParser();
const given = message(ENVELOPE, { attemptNumber: 2 });
const delivery = resolve(parse(given), given, null, (target) => target) as Delivery;
const unsendable = resolve(
  parse(message('{"webhook_url":')),
  given,
  null,
  (target) => target,
) as Undeliverable;

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};

const bareMessage = message({ n: 1 }, { subject: 'webhooks.orders' });
const orders = endpointOf(registeredRow(), { retries: RETRIES, disabled: 'park' });
const toRow = resolve(
  parse(bareMessage),
  bareMessage,
  { registry: new Registry([orders]), asOf: 0 },
  (target) => target,
) as Delivery;

const ACCEPTED: Attempt = {
  outcome: { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null },
  startedAt: 1000,
  durationMs: 20,
};
const FAILED: Attempt = {
  outcome: { kind: 'responded', status: 503, retryAfterMs: 9000, excerpt: 'busy' },
  startedAt: 1000,
  durationMs: 20,
};
const ACK: Verdict = { kind: 'ack' };
const RETRY: Verdict = { kind: 'retry', delayMs: 9000, retryVia: 'nak' };
const GONE: Verdict = { kind: 'deadLetter', reason: 'gone' };

describe('the row of a discarded message', () => {
  const picky = endpointOf(registeredRow({ eventTypes: ['order.*'] }), {
    retries: RETRIES,
    disabled: 'park',
  });
  const refund = message({ event: 'refund' }, { subject: 'webhooks.orders' });
  const rows = { registry: new Registry([picky]), asOf: 1 };
  const discarded = resolve(parse(refund), refund, rows, (target) => target) as Undeliverable;
  const attempt: Attempt = { outcome: discarded.outcome, startedAt: 1000, durationMs: 0 };

  it('has the id of the message, and says why no row accepts it', () => {
    expect(attemptRecord(refund, discarded, attempt, { kind: 'discard' }, 'failures')).toMatchObject({
      deliveryId: discarded.id,
      attemptNumber: 0,
      endpointKey: picky.key,
      webhookId: picky.row.id,
      url: null,
      method: null,
      outcome: 'filtered',
      error: expect.stringContaining('the event type "refund"'),
      verdict: 'discard',
    });
  });

  it('is not stored with ATTEMPT_LOG=off', () => {
    expect(attemptRecord(refund, discarded, attempt, { kind: 'discard' }, 'off')).toBeNull();
  });
});

describe('the row of an attempt', () => {
  const unit = { keyOf: 'url', url: 'https://example.com/hook', originKey: 'origin-00000002' } as const;

  it('contains the outcome, the verdict and the time of the next attempt', () => {
    expect(attemptRecord(given, delivery, FAILED, RETRY, 'all')).toMatchObject({
      attemptNumber: 2,
      outcome: 'responded',
      status: 503,
      error: 'HTTP 503',
      responseExcerpt: 'busy',
      verdict: 'retry',
      nextAttemptAt: 10_020,
    });
  });

  it('contains no error if its status is declared a success', () => {
    const outcome = {
      kind: 'responded',
      status: 409,
      retryAfterMs: null,
      excerpt: null,
      isDeclaredSuccess: true,
    } as const;
    expect(attemptRecord(given, delivery, { ...ACCEPTED, outcome }, ACK, 'all')).toMatchObject({
      status: 409,
      error: null,
      responseExcerpt: null,
      verdict: 'ack',
    });
  });

  it('names the row of rule_webhooks, and no row if the message names its URL', () => {
    expect(attemptRecord(given, toRow, FAILED, RETRY, 'all')!.webhookId).toBe(toRow.endpoint!.row.id);
    expect(attemptRecord(given, delivery, FAILED, RETRY, 'all')!.webhookId).toBeNull();
  });

  it('has the key of the origin, also while the URL is split off, so that all attempts are one delivery', () => {
    const splitOff = { ...delivery, target: { ...delivery.target, endpointKey: 'url-00000001', unit } };
    expect(attemptRecord(given, splitOff, FAILED, RETRY, 'all')!.endpointKey).toBe('origin-00000002');
    expect(deadLetterRecord(given, splitOff, FAILED, GONE, 0)!.endpointKey).toBe('origin-00000002');
  });

  it('never contains the query of the URL', () => {
    expect(attemptRecord(given, delivery, ACCEPTED, ACK, 'all')!.url).toBe('https://example.com/hook');
  });

  it.each([
    ['all', ACCEPTED, ACK, true],
    ['failures', ACCEPTED, ACK, false],
    ['failures', FAILED, RETRY, true],
    ['off', FAILED, RETRY, false],
  ] as const)('is stored or left out as ATTEMPT_LOG=%s says', (wanted, attempt, done, kept) => {
    const first = message(ENVELOPE);
    expect(attemptRecord(first, delivery, attempt, done, wanted) !== null).toBe(kept);
  });

  it('is stored with ATTEMPT_LOG=failures if a success follows failures', () => {
    expect(attemptRecord(given, delivery, ACCEPTED, ACK, 'failures')).toMatchObject({ verdict: 'ack' });
  });

  it('is not written if no request was sent', () => {
    const notSent: Attempt = {
      outcome: { kind: 'blocked', detail: 'loopback' },
      startedAt: 1000,
      durationMs: 0,
    };
    expect(
      attemptRecord(given, delivery, notSent, { kind: 'deadLetter', reason: 'forbidden' }, 'all'),
    ).toBeNull();
  });
});

describe('the row of a dead letter', () => {
  it('is not written for another verdict', () => {
    expect(deadLetterRecord(given, delivery, ACCEPTED, ACK, 0)).toBeNull();
    expect(deadLetterRecord(given, delivery, FAILED, RETRY, 0)).toBeNull();
  });

  it('contains the number of attempts and the reason', () => {
    expect(deadLetterRecord(given, delivery, FAILED, GONE, 0)).toMatchObject({
      attempts: 2,
      reason: 'gone',
      error: 'HTTP 503',
    });
  });

  it('names the row of rule_webhooks, also a row that is deleted, and no row if the message names its URL', () => {
    expect(deadLetterRecord(given, toRow, FAILED, GONE, 0)!.webhookId).toBe(toRow.endpoint!.row.id);
    expect(deadLetterRecord(given, delivery, FAILED, GONE, 0)!.webhookId).toBeNull();
    const copy = message(
      { n: 1 },
      { isParkedCopy: true, parkedEndpointKey: 'orders-0a1b2c3d', webhookId: 17 },
    );
    const unroutable = resolve(
      parse(copy),
      copy,
      { registry: new Registry(), asOf: 1 },
      (target) => target,
    ) as Undeliverable;
    const attempt: Attempt = { outcome: unroutable.outcome, startedAt: 1, durationMs: 0 };
    expect(deadLetterRecord(copy, unroutable, attempt, GONE, 0)!.webhookId).toBe(17);
  });

  it('contains a payload only if the settings allow some bytes', () => {
    expect(deadLetterRecord(given, delivery, FAILED, GONE, 0)!.payload).toBeNull();
    expect(deadLetterRecord(given, delivery, FAILED, GONE, 100)!.payload).toBe('{"n":1}');
  });

  it('contains the payload of the message, not the body of a template, which may contain a secret', () => {
    const row = registeredRow({ bodyTemplate: '{"key":"s3cr3t","data":{{data}}}' });
    const endpoint = endpointOf(row, { retries: RETRIES, disabled: 'park' });
    const bare = message({ n: 1 }, { subject: 'webhooks.orders' });
    const made = resolve(
      parse(bare),
      bare,
      { registry: new Registry([endpoint]), asOf: 0 },
      (target) => target,
    ) as Delivery;
    expect(Buffer.from(made.body!).toString()).toContain('s3cr3t');
    expect(deadLetterRecord(bare, made, FAILED, GONE, 100)!.payload).toBe('{"n":1}');
  });

  it('never contains an invalid envelope, because its headers may contain a secret', () => {
    const broken = message('{"webhook_url":"https://example.com","headers":{"Authorization":"secret"},');
    const attempt: Attempt = {
      outcome: { kind: 'undeliverable', reason: 'malformed', detail: 'x' },
      startedAt: 1,
      durationMs: 0,
    };
    const done: Verdict = { kind: 'deadLetter', reason: 'malformed' };
    expect(
      deadLetterRecord(
        broken,
        resolve(parse(broken), broken, null, (target) => target) as Undeliverable,
        attempt,
        done,
        100,
      )!.payload,
    ).toBeNull();
  });

  it('has no URL and one attempt less if no request could be sent', () => {
    const attempt: Attempt = {
      outcome: { kind: 'undeliverable', reason: 'unroutable', detail: 'no webhook_url' },
      startedAt: 1000,
      durationMs: 0,
    };
    const done: Verdict = { kind: 'deadLetter', reason: 'unroutable' };
    expect(deadLetterRecord(given, unsendable, attempt, done, 0)).toMatchObject({ attempts: 1, url: null });
  });
});
