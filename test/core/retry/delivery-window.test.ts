import { describe, expect, it } from 'vitest';
import { checkWindow, deliveryWindowOf } from '../../../src/core/retry/delivery-window.ts';

const HOUR = 3_600_000;
const NOW = Date.parse('2027-01-31T12:00:00Z');
const at = (hours: number) => new Date(NOW + hours * HOUR).toISOString();

type Given = { deliver?: string; expires?: string; replayed?: string; published?: number; maxAge?: number };

/** Published an hour ago, with these headers. */
function times({ deliver, expires, replayed, published = -1, maxAge = 0 }: Given) {
  const headers: Record<string, string | undefined> = {
    'Webhook-Deliver-At': deliver,
    'Webhook-Expires-At': expires,
    'Webhook-Replayed': replayed,
  };
  const message = { header: (name: string) => headers[name], publishedAt: NOW + published * HOUR };
  return deliveryWindowOf(message, maxAge * HOUR);
}
const judge = (given: Given, waitedUntil: number | null = null) =>
  checkWindow(times(given), NOW, waitedUntil);

describe('a message', () => {
  it.each<[string, Given]>([
    ['without a word of time', {}],
    ['with empty headers', { deliver: '', expires: ' ' }],
    ['whose time has come', { deliver: at(0) }],
    ['whose time is over for long', { deliver: '0' }],
    ['that has an hour left', { expires: at(1) }],
    ['that is not too old', { maxAge: 1.01 }],
  ])('%s is sent', (_what, given) => {
    expect(judge(given)).toBe(null);
  });

  it('waits for its time', () => {
    expect(judge({ deliver: at(1) })).toEqual({ kind: 'notDue', dueAt: NOW + HOUR });
    expect(judge({ deliver: at(1), expires: at(2) })).toEqual({ kind: 'notDue', dueAt: NOW + HOUR });
  });

  it('that has waited until then is sent, though this clock is a little behind, but not much before', () => {
    const dueIn = (ms: number) => judge({ deliver: String((NOW + ms) / 1000) }, NOW + ms);
    expect([dueIn(100), dueIn(500)?.kind]).toEqual([null, 'notDue']);
    expect(judge({ deliver: at(1) }, NOW)?.kind).toBe('notDue');
  });

  it.each<[string, Given, string]>([
    ['whose time is over', { expires: at(-1) }, 'Webhook-Expires-At: expired at 2027-01-31T11:00:00.000Z'],
    ['at the moment itself', { expires: at(0) }, 'Webhook-Expires-At: expired at 2027-01-31T12:00:00.000Z'],
    ['that is too old', { maxAge: 0.5 }, 'MAX_AGE_HOURS: expired at 2027-01-31T11:30:00.000Z'],
    [
      'that is too old before its header says so',
      { maxAge: 0.5, expires: at(-0.25) },
      'MAX_AGE_HOURS: expired at 2027-01-31T11:30:00.000Z',
    ],
    [
      'that would come too late',
      { deliver: at(2), expires: at(1) },
      'Webhook-Deliver-At, 2027-01-31T14:00:00.000Z, is not before Webhook-Expires-At, 2027-01-31T13:00:00.000Z',
    ],
  ])('%s is expired', (_what, given, detail) => {
    expect(judge(given)).toEqual({ kind: 'expired', detail });
  });

  it('ages from when it is due, where that is later', () => {
    expect(times({ deliver: at(5), maxAge: 2 }).expiry?.at).toBe(NOW + 7 * HOUR);
    expect(times({ deliver: at(-5), maxAge: 2 }).expiry?.at).toBe(NOW + HOUR);
  });

  it.each<[Given, string]>([
    [{ deliver: 'tomorrow' }, 'Webhook-Deliver-At'],
    [{ expires: '2027-01-31T12:00:00' }, 'Webhook-Expires-At'],
  ])('with %j is told which header is no time, and what is one', (given, name) => {
    expect(times(given).problem).toBe(
      `the NATS header ${name} is not a time: give ISO 8601 with a zone, such as 2027-01-31T12:00:00Z or ` +
        '2027-01-31T12:00:00+02:00, or Unix seconds',
    );
  });

  it('that is perhaps a replay is told', () => {
    expect(times({ replayed: 'yes' }).problem).toContain('Webhook-Replayed');
  });
});

describe('a replay', () => {
  it('is not bound by an expiry that was over when it was published', () => {
    expect(judge({ replayed: 'true', expires: at(-1), published: 0 })).toBe(null);
    expect(judge({ replayed: 'true', expires: at(-0.5), published: -1 })?.kind).toBe('expired');
  });

  it('ages from its own publication', () => {
    expect(judge({ replayed: 'true', published: -1, maxAge: 0.5 })?.kind).toBe('expired');
  });
});
