import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KindPool } from '../../../src/delivery/parked/kind-pool.ts';
import { scheduledKind } from '../../../src/delivery/parked/scheduled-kind.ts';
import type { QueueSink } from '../../../src/delivery/queue-pool.ts';
import type { Logger } from '../../../src/runtime/logger.ts';

const NOON = Date.parse('2027-01-31T12:00:00Z');
const MINUTE = 'at.2027-01-31T12:05';
const DAY = 'at.2027-02-02';

/** The open queues. Their fake consumers take no messages. */
let drains: Map<string, QueueSink<object>>;
let opened: string[];
let fails: boolean;
let free: number;
let schedule: KindPool<object>;

beforeEach(async () => {
  vi.useFakeTimers({ now: NOON, toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] });
  drains = new Map();
  opened = [];
  fails = false;
  free = 100;
  schedule = new KindPool<object>(scheduledKind({ capacity: () => free, at: () => Date.now() }), {
    log: { error() {} } as unknown as Logger,
    now: () => performance.now(),
    async open(key, owner) {
      opened.push(key);
      if (fails) return null;
      drains.set(key, owner);
      return {
        outstanding: () => 0,
        pullMore() {},
        async stop() {
          drains.delete(key);
        },
      };
    },
  });
  schedule.start(() => {});
});
afterEach(async () => {
  schedule.stop();
  await schedule.closed();
  vi.useRealTimers();
});

const listed = (...keys: string[]) =>
  schedule.onListed(new Map(keys.map((key) => [key, 3])), performance.now());
const pass = (seconds: number) => vi.advanceTimersByTimeAsync(1000 * seconds);
const until = (time: string) => pass((Date.parse(time) - Date.now()) / 1000);

describe('the queues of scheduled messages', () => {
  it('are not opened until shortly before their minute', async () => {
    listed(MINUTE);
    await until('2027-01-31T12:04:57Z');
    expect(opened).toEqual([]);
    await until('2027-01-31T12:04:59Z');
    expect(opened).toEqual([MINUTE]);
  });

  it('are opened at once if this worker schedules a message in a minute that has begun', async () => {
    await until('2027-01-31T12:05:30Z');
    schedule.onParked(MINUTE);
    await pass(0.2);
    expect([...drains.keys()]).toEqual([MINUTE]);
  });

  it('stay open during their minute and while messages come, and are then closed until NATS lists them again', async () => {
    listed(MINUTE);
    await until('2027-01-31T12:05:59Z');
    expect(drains.size).toBe(1);
    await until('2027-01-31T12:06:00Z');
    drains.get(MINUTE)!.onMessage({});
    await pass(0.9);
    expect(drains.size).toBe(1);
    await pass(0.5);
    expect(drains.size).toBe(0);
    listed(MINUTE);
    await pass(0.2);
    expect(opened).toEqual([MINUTE, MINUTE]);
  });

  it('of a day are opened an hour before the day begins, and closed when no messages come', async () => {
    listed(DAY);
    // Only the first second of each hour is simulated: two days of checks, one per 100 ms, take a busy machine a minute.
    for (let at = NOON; at < Date.parse('2027-02-01T22:00:00Z'); at += 3_600_000) {
      vi.setSystemTime(at);
      await pass(1);
      expect(opened).toEqual([]);
    }
    vi.setSystemTime('2027-02-01T22:59:00Z');
    await until('2027-02-01T22:59:59Z');
    expect(opened).toEqual([]);
    await until('2027-02-01T23:00:01Z');
    expect(opened).toEqual([DAY]);
    await pass(2);
    expect(drains.size).toBe(0);
  });

  it('that are overdue are opened first, a limited number at a time, and share the free slots', async () => {
    const overdue = Array.from({ length: 40 }, (_, day) => `at.2026-12-${String(day + 1).padStart(2, '0')}`);
    listed(...overdue.slice(0, 31).reverse(), MINUTE);
    listed('at.2026-11-30T00:00', 'at.2026-11-30T00:01', 'at.2026-11-30T00:02');
    await pass(0.1);
    expect(opened.length).toBe(32);
    expect(opened.slice(0, 4)).toEqual([
      'at.2026-11-30T00:00',
      'at.2026-11-30T00:01',
      'at.2026-11-30T00:02',
      'at.2026-12-01',
    ]);
    expect(drains.get('at.2026-12-01')!.capacity()).toBe(4);
    await pass(1.2);
    expect(opened.length).toBe(34);
  });

  it('that could not be opened are tried again after a second', async () => {
    fails = true;
    listed(MINUTE);
    await until('2027-01-31T12:05:00Z');
    const tries = opened.length;
    expect(tries).toBeLessThan(4);
    fails = false;
    await pass(1.2);
    expect([...drains.keys()]).toEqual([MINUTE]);
  });
});
