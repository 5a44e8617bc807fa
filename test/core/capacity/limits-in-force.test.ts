import { describe, expect, it } from 'vitest';
import type { CapOwner } from '../../../src/core/capacity/cap-share.ts';
import { type EndpointLimits, NO_LIMITS } from '../../../src/core/capacity/endpoint-limits.ts';
import { LimitsInForce } from '../../../src/core/capacity/limits-in-force.ts';
import { Origin } from '../../../src/core/capacity/origin.ts';

const WELL = { inFlight: 0, isResponsive: true };

/** Limits of an endpoint at an origin with these attempts in flight. */
function limitsAt(origin: Origin, capOwner: CapOwner, limits: Partial<EndpointLimits>, isClosed = true) {
  const inForce = new LimitsInForce({ origin, capOwner, isClosed: () => isClosed });
  inForce.apply({ ...NO_LIMITS, ...limits });
  return inForce;
}

function originWith(ofOrigin: number, ofSplits: number): Origin {
  const origin = new Origin('https://a.example', 'a-example-12345678');
  for (let number = 0; number < ofOrigin; number++) origin.start('origin');
  for (let number = 0; number < ofSplits; number++) origin.start('split');
  return origin;
}

describe('the attempts that a cap allows', () => {
  it.each([
    // whose cap, cap, attempts of the origin and of split URLs, own attempts, responsive, closed, allowed
    ['a row counts its own attempts', 'own', 4, 9, 9, 3, true, true, 1],
    ['an origin shares with its split URLs', 'origin', 4, 1, 2, 1, true, true, 1],
    ['a split URL that is well shares, too', 'split', 4, 1, 1, 1, true, true, 2],
    ['a split URL that has not answered has one', 'split', 4, 1, 0, 0, false, true, 1],
    ['and no second one', 'split', 4, 1, 1, 1, false, true, 0],
    ['nor has one whose breaker is open', 'split', 4, 1, 1, 1, true, false, 0],
    [
      'without a cap there is no limit, for an origin',
      'origin',
      null,
      9,
      9,
      9,
      true,
      true,
      Number.POSITIVE_INFINITY,
    ],
    [
      'without a cap there is no limit, for a split URL',
      'split',
      null,
      9,
      9,
      9,
      false,
      true,
      Number.POSITIVE_INFINITY,
    ],
  ] as const)('%s', (_, capOwner, concurrency, ofOrigin, ofSplits, inFlight, isResponsive, isClosed, allowed) => {
    const limits = limitsAt(originWith(ofOrigin, ofSplits), capOwner, { concurrency }, isClosed);
    expect(limits.allowed({ inFlight, isResponsive }, 'queue', 0)).toBe(allowed);
  });

  it('count an attempt for its URL once the URL is split off', () => {
    const origin = originWith(1, 0);
    const attempt = origin.start('origin');
    origin.moveTo('split', attempt);
    expect(origin.sharing).toEqual({ ofOrigin: 1, ofSplits: 1 });
    origin.end(attempt, 'url', null, 0, 0.5);
    expect(origin.sharing).toEqual({ ofOrigin: 1, ofSplits: 0 });
  });
});

it.each([
  ['cap', { concurrency: 1 }],
  ['cap of two', { concurrency: 2 }],
  ['rate', { ratePerSecond: 20 }],
] as const)('an origin under constant load and a split URL share a %s by turns', (_, limits) => {
  const origin = originWith(0, 0);
  const busy = limitsAt(origin, 'origin', limits);
  const split = limitsAt(origin, 'split', limits);
  const started = { busy: 0, split: 0 };
  const ends: { at: number; end(): void }[] = [];
  for (let now = 0; now < 10_000; now += 5) {
    while (ends.length > 0 && ends[0]!.at <= now) ends.shift()!.end();
    // The queue of the URL is looked at every 50 ms, the messages of the origin at once.
    for (const [name, inForce, everyMs] of [
      ['busy', busy, 5],
      ['split', split, 50],
    ] as const) {
      while (now % everyMs === 0 && inForce.allowed(WELL, 'queue', now) > 0) {
        inForce.take(now);
        const attempt = origin.start(inForce.capOwner);
        started[name]++;
        ends.push({ at: now + 20, end: () => origin.end(attempt, name, null, now + 20, 0.5) });
        if (name === 'split') break;
      }
    }
  }
  expect(started.split).toBeGreaterThan(50);
  expect(started.busy).toBeGreaterThanOrEqual(started.split - 1);
});
