import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endpointKey } from '../../src/core/request/target.ts';
import {
  isDayBucket,
  scheduledBucket,
  scheduledKeyFor,
  waitOfEarlyCopy,
} from '../../src/core/scheduled-queue.ts';

const NOW = Date.parse('2027-01-31T12:34:56.789Z');
const HOUR = 3_600_000;
const times = fc.date({ min: new Date(NOW), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true });

describe('a scheduled message', () => {
  it('waits in the queue of its minute if it is due soon', () => {
    expect(scheduledKeyFor(NOW + HOUR, NOW)).toBe('at.2027-01-31T13:34');
  });

  it('waits in the queue of its day if it is due later', () => {
    expect(scheduledKeyFor(NOW + 48 * HOUR, NOW)).toBe('at.2027-02-02');
  });

  it('is taken out before it is due, and moves from the queue of its day to the queue of its minute', () => {
    fc.assert(
      fc.property(times, (due) => {
        const queue = scheduledBucket(scheduledKeyFor(due.getTime(), NOW))!;
        expect(queue.opensAt).toBeLessThan(due.getTime());
        const opened = Math.max(NOW, queue.opensAt);
        expect(isDayBucket(scheduledKeyFor(due.getTime(), opened))).toBe(false);
      }),
    );
  });

  it('waits in one of less than 2000 queues if it is due within a year', () => {
    const year = Array.from({ length: 365 * 24 * 60 }, (_, minute) =>
      scheduledKeyFor(NOW + minute * 60_000, NOW),
    );
    expect(new Set(year).size).toBeLessThan(2000);
  });
});

describe('the key of a scheduled queue', () => {
  it('gives the times from which its first message and all its messages are taken out', () => {
    expect(scheduledBucket('at.2027-01-31T13:34')).toEqual({
      key: 'at.2027-01-31T13:34',
      opensAt: Date.parse('2027-01-31T13:33:58Z'),
      endsAt: Date.parse('2027-01-31T13:35:00Z'),
    });
    const opensAt = Date.parse('2027-02-01T23:00:00Z');
    expect(scheduledBucket('at.2027-02-02')).toEqual({ key: 'at.2027-02-02', opensAt, endsAt: opensAt });
  });

  it.each([
    'none',
    'at',
    'at.',
    'at-00000000',
    'at.2027-13-01',
    'at.2027-01-31T25:00',
    'xat.2027-01-31',
  ])('is never "%s"', (key) => {
    expect(scheduledBucket(key)).toBe(null);
  });

  it('is never the key of an endpoint', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (identity, name) => {
        expect(scheduledBucket(endpointKey(identity, name))).toBe(null);
      }),
    );
  });
});

describe('a copy that comes before its time', () => {
  const waits = (notBefore: number, now: number, more: { storedAt?: number; isScheduled?: boolean } = {}) =>
    waitOfEarlyCopy({ notBefore, storedAt: NOW, isScheduled: false, ...more }, now);

  it('waits until its time', () => {
    expect(waits(NOW + 5000, NOW + 1000)).toBe(4000);
    expect(waits(NOW + 5000, NOW + 5001)).toBe(0);
    expect(waits(NOW + 61_000, NOW, { storedAt: 0, isScheduled: true })).toBe(61_000);
  });

  it('waits no longer than it had to when it was stored, if the clock was set back since', () => {
    expect(waits(NOW + 5000, NOW - HOUR)).toBe(5000);
  });

  it('waits until its time by the clock here if NATS stored it after that time by its own clock', () => {
    expect(waits(NOW + 5000, NOW, { storedAt: NOW + HOUR })).toBe(5000);
  });

  it('is looked at again after 62 s if it is scheduled, so that a clock that was wrong does not hold it', () => {
    expect(waits(NOW + 1000, NOW - HOUR, { isScheduled: true })).toBe(62_000);
  });
});
