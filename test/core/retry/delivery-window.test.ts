import { describe, expect, it } from 'vitest';
import { checkWindow, deliveryWindowOf } from '../../../src/core/retry/delivery-window.ts';

const HOUR = 3_600_000;
const NOW = Date.parse('2027-01-31T12:00:00Z');
const at = (hours: number) => new Date(NOW + hours * HOUR).toISOString();

type Given = {
  deliver?: string;
  expires?: string;
  ttl?: string;
  replayed?: string;
  published?: number;
  maxAge?: number;
};

/** The delivery window of a message with these headers. Published an hour ago by default. */
function windowOf({ deliver, expires, ttl, replayed, published = -1, maxAge = 0 }: Given) {
  const headers: Record<string, string | undefined> = {
    'Webhook-Deliver-At': deliver,
    'Webhook-Expires-At': expires,
    'Nats-TTL': ttl,
    'Webhook-Replayed': replayed,
  };
  const message = { header: (name: string) => headers[name], publishedAt: NOW + published * HOUR };
  return deliveryWindowOf(message, maxAge * HOUR);
}
const check = (given: Given, waitedUntil: number | null = null) =>
  checkWindow(windowOf(given), NOW, waitedUntil);

describe('a message', () => {
  it.each<[string, Given]>([
    ['without a time header', {}],
    ['with empty time headers', { deliver: '', expires: ' ' }],
    ['that is due now', { deliver: at(0) }],
    ['that was due long ago', { deliver: '0' }],
    ['that expires in an hour', { expires: at(1) }],
    ['that is not older than MAX_AGE_HOURS', { maxAge: 1.01 }],
    ['whose Nats-TTL is not over', { ttl: '3601s' }],
    ['whose Nats-TTL is never', { ttl: 'never' }],
    ['whose Nats-TTL ends after the year 9999', { ttl: '9223372036854775807' }],
  ])('%s is sent', (_what, given) => {
    expect(check(given)).toBe(null);
  });

  it('is not sent before its Webhook-Deliver-At', () => {
    expect(check({ deliver: at(1) })).toEqual({ kind: 'notDue', dueAt: NOW + HOUR });
    expect(check({ deliver: at(1), expires: at(2) })).toEqual({ kind: 'notDue', dueAt: NOW + HOUR });
  });

  it('that waited in a scheduled queue is sent a little early if the clocks differ, but not much too early', () => {
    const dueIn = (ms: number) => check({ deliver: String((NOW + ms) / 1000) }, NOW + ms);
    expect([dueIn(100), dueIn(500)?.kind]).toEqual([null, 'notDue']);
    expect(check({ deliver: at(1) }, NOW)?.kind).toBe('notDue');
  });

  it.each<[string, Given, string]>([
    [
      'that expired an hour ago',
      { expires: at(-1) },
      'Webhook-Expires-At: expired at 2027-01-31T11:00:00.000Z',
    ],
    ['whose Nats-TTL is over', { ttl: '30m' }, 'Nats-TTL: expired at 2027-01-31T11:30:00.000Z'],
    [
      'whose Nats-TTL ends before its Webhook-Expires-At',
      { ttl: '10m', expires: at(-0.5) },
      'Nats-TTL: expired at 2027-01-31T11:10:00.000Z',
    ],
    [
      'whose Nats-TTL ends before its Webhook-Deliver-At',
      { ttl: '2h', deliver: at(2) },
      'Webhook-Deliver-At, 2027-01-31T14:00:00.000Z, is not before Nats-TTL, 2027-01-31T13:00:00.000Z',
    ],
    [
      'that expires at this moment',
      { expires: at(0) },
      'Webhook-Expires-At: expired at 2027-01-31T12:00:00.000Z',
    ],
    [
      'that is older than MAX_AGE_HOURS',
      { maxAge: 0.5 },
      'MAX_AGE_HOURS: expired at 2027-01-31T11:30:00.000Z',
    ],
    [
      'that MAX_AGE_HOURS ends before its header does',
      { maxAge: 0.5, expires: at(-0.25) },
      'MAX_AGE_HOURS: expired at 2027-01-31T11:30:00.000Z',
    ],
    [
      'that is due after it expires',
      { deliver: at(2), expires: at(1) },
      'Webhook-Deliver-At, 2027-01-31T14:00:00.000Z, is not before Webhook-Expires-At, 2027-01-31T13:00:00.000Z',
    ],
  ])('%s is expired', (_what, given, detail) => {
    expect(check(given)).toEqual({ kind: 'expired', detail });
  });

  it('has its age counted from the time when it is due, if that is later', () => {
    expect(windowOf({ deliver: at(5), maxAge: 2 }).expiry?.at).toBe(NOW + 7 * HOUR);
    expect(windowOf({ deliver: at(-5), maxAge: 2 }).expiry?.at).toBe(NOW + HOUR);
  });

  it.each<[Given, string]>([
    [{ deliver: 'tomorrow' }, 'Webhook-Deliver-At'],
    [{ expires: '2027-01-31T12:00:00' }, 'Webhook-Expires-At'],
  ])('with %j is malformed, and the reason names the header and the format of a time', (given, name) => {
    expect(windowOf(given).problem).toBe(
      `the NATS header ${name} is not a time: give ISO 8601 with a zone, such as 2027-01-31T12:00:00Z or ` +
        '2027-01-31T12:00:00+02:00, or Unix seconds',
    );
  });

  it('with an unclear Webhook-Replayed is malformed', () => {
    expect(windowOf({ replayed: 'yes' }).problem).toContain('Webhook-Replayed');
  });
});

describe('a replay', () => {
  it('ignores a Webhook-Expires-At that was over when the replay was published', () => {
    expect(check({ replayed: 'true', expires: at(-1), published: 0 })).toBe(null);
    expect(check({ replayed: 'true', expires: at(-0.5), published: -1 })?.kind).toBe('expired');
  });

  it('has its age counted from its own publication', () => {
    expect(check({ replayed: 'true', published: -1, maxAge: 0.5 })?.kind).toBe('expired');
  });
});
