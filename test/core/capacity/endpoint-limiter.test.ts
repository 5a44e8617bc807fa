import { describe, expect, it } from 'vitest';
import { NO_RULE, Room, type Sign, signOf } from '../../../src/core/capacity/endpoint-limiter.ts';
import type { Outcome } from '../../../src/core/retry/attempt.ts';

const LIMITS = { slots: 100, silentAfterMs: 200, failureShare: 0.8, windowMs: 10_000 };
const SHARE = { proven: 97, unproven: 50, contact: true, probe: true };
const HALF = 0.5;

const left = (room: Room, sign: Sign, now: number, isProbe = false) =>
  room.left({ sign, isProbe, durationMs: 50, retryAfterMs: 0 }, now, HALF);

/** So many attempts from now on, which end together after 50 ms. */
function burst(room: Room, count: number, sign: Sign, now: number): void {
  for (let number = 0; number < count; number++) room.entered(now);
  for (let number = 0; number < count; number++) left(room, sign, now + 50);
}

/** A room that has answered well with all that it may have. */
function grown(): Room {
  const room = new Room(LIMITS);
  for (const now of [0, 50, 100, 150]) burst(room, room.space(now, SHARE), 'well', now);
  return room;
}

describe('what an outcome says of its endpoint', () => {
  const responded = (status: number): Outcome => ({
    kind: 'responded',
    status,
    retryAfterMs: null,
    excerpt: null,
  });
  it.each<[Sign, Outcome]>([
    ['well', responded(200)],
    ['well', responded(302)],
    ['well', responded(404)],
    ['overloaded', responded(429)],
    ['well', { ...responded(429), isDeclaredSuccess: true } as Outcome],
    ['well', { ...responded(503), isDeclaredSuccess: true } as Outcome],
    ['troubled', responded(500)],
    ['overloaded', responded(502)],
    ['overloaded', responded(503)],
    ['overloaded', responded(504)],
    ['overloaded', { kind: 'unreachable', code: 'ECONNREFUSED', detail: '' }],
    ['silence', { kind: 'timedOut', phase: 'response', afterMs: 1 }],
    ['nothing', { kind: 'aborted' }],
    ['nothing', { kind: 'faulted', code: 'EMFILE' }],
    ['nothing', { kind: 'refused', detail: '' }],
  ])('%s: %o', (sign, outcome) => {
    expect(signOf(outcome)).toBe(sign);
  });
});

describe('a room', () => {
  it('has ten places at first, or a sixteenth of the slots', () => {
    expect(new Room(LIMITS).space(0, SHARE)).toBe(10);
    expect(new Room({ ...LIMITS, slots: 320 }).space(0, { ...SHARE, unproven: 160 })).toBe(20);
  });

  it('has all that it may once its endpoint has answered well', () => {
    expect(grown().space(200, SHARE)).toBe(97);
  });

  it('gives back what it was trusted with after ten seconds without an attempt', () => {
    const room = grown();
    room.entered(11_000);
    expect(room.standing).toBe('trial');
    expect(room.space(11_000, SHARE)).toBe(9);
  });

  it('is not taken for silent because it was idle', () => {
    const room = grown();
    room.entered(5000);
    expect(room.isSilent(5000)).toBe(false);
  });

  it('falls silent when nothing comes back for PARK_AFTER_MS, and holds what it was given', () => {
    const room = grown();
    for (let count = 0; count < 97; count++) room.entered(300);
    room.look(500);
    expect([room.standing, room.isSilent(500)]).toEqual(['proven', false]);
    room.look(501);
    expect([room.standing, room.space(501, SHARE)]).toEqual(['stuck', 0]);
  });

  it('of an endpoint that takes its time falls silent after twice that time', () => {
    const room = new Room(LIMITS);
    room.entered(0);
    room.left({ sign: 'well', isProbe: false, durationMs: 2000, retryAfterMs: 0 }, 2000, HALF);
    room.entered(2000);
    expect([room.isSilent(6000), room.isSilent(6001)]).toEqual([false, true]);
  });

  it('is itself again at the first answer', () => {
    const room = grown();
    for (let count = 0; count < 97; count++) room.entered(300);
    room.look(600);
    left(room, 'well', 700);
    expect([room.standing, room.space(700, SHARE)]).toEqual(['proven', 1]);
  });

  it('stays silent when attempts time out: that is no answer', () => {
    const room = grown();
    for (let count = 0; count < 20; count++) room.entered(300);
    room.look(600);
    left(room, 'silence', 700);
    expect(room.isSilent(701)).toBe(true);
  });

  it('lets nothing in while its breaker is open, and one probe when it is half-open', () => {
    const room = new Room(LIMITS);
    burst(room, 10, 'overloaded', 0);
    expect(room.space(100, SHARE)).toBe(0);
    const opensAt = room.breaker.openUntil!;
    expect(room.space(opensAt, SHARE)).toBe(1);
    expect(room.space(opensAt, { ...SHARE, probe: false })).toBe(0);
    expect(room.entered(opensAt)).toBe(true);
    expect([room.probes, room.space(opensAt, SHARE)]).toEqual([1, 0]);
    left(room, 'well', opensAt + 50, true);
    expect([room.probes, room.space(opensAt + 50, SHARE)]).toEqual([0, 10]);
  });

  it('lets nothing in while it is paused', () => {
    const room = grown();
    room.obey({ ...NO_RULE, paused: 'by hand' });
    expect(room.space(200, SHARE)).toBe(0);
    room.obey(NO_RULE);
    expect(room.space(200, SHARE)).toBe(97);
  });

  it('keeps to a cap', () => {
    const room = grown();
    room.obey({ ...NO_RULE, concurrency: 3 });
    room.entered(200);
    expect(room.space(200, SHARE)).toBe(2);
  });

  it('keeps to a rate', () => {
    const room = new Room(LIMITS);
    room.obey({ ...NO_RULE, perSecond: 5 });
    room.entered(0);
    expect([0, 124, 125].map((now) => room.space(now, SHARE))).toEqual([0, 0, 1]);
  });

  it('goes on counting its rate when the same rule is said again', () => {
    const room = new Room(LIMITS);
    room.obey({ ...NO_RULE, perSecond: 10 });
    room.entered(0);
    room.obey({ ...NO_RULE, perSecond: 10 });
    expect(room.space(0, SHARE)).toBe(0);
  });
});
