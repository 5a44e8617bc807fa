import { beforeEach, describe, expect, it } from 'vitest';
import { Origin, type OriginResult } from '../../../src/core/capacity/origin.ts';

let origin: Origin;
beforeEach(() => {
  origin = new Origin('https://a.example', 'a-example-12345678');
});

const result = (kind: OriginResult['kind'], isRetry = false): OriginResult => ({
  kind,
  isRetry,
  durationMs: 50,
});

/** One attempt after another, at these endpoints, all with the same result. */
function attempts(endpoints: readonly string[], given: OriginResult | null, now = 0): void {
  for (const endpoint of endpoints) origin.end(origin.start('own'), endpoint, given, now, 0.5);
}

const many = (count: number, ...names: string[]) =>
  Array.from({ length: count }, (_, index) => names[index % names.length]!);

describe('an origin', () => {
  it.each([
    ['3 failures to reach its host', () => attempts(many(3, 'a', 'b'), result('unreached')), false],
    ['3 of them from one endpoint', () => attempts(many(3, 'a'), result('unreached')), false],
    ['3 of them by retries', () => attempts(many(3, 'a'), result('unreached', true)), false],
    ['2 failures to reach its host', () => attempts(many(2, 'a'), result('unreached')), true],
    ['3 bad answers of several endpoints', () => attempts(many(3, 'a', 'b'), result('failed')), false],
    ['100 bad answers of one endpoint', () => attempts(many(100, 'a'), result('failed')), true],
    ['100 bad answers of retries', () => attempts(many(100, 'a', 'b'), result('failed', true)), true],
    ['100 attempts that say nothing', () => attempts(many(100, 'a', 'b'), null), true],
  ])('that never succeeded, after %s, is closed or not', (_, run, isClosed) => {
    run();
    expect(origin.isClosed()).toBe(isClosed);
    expect(origin.why === null).toBe(isClosed);
  });

  it.each([
    ['within 10 s', 10_000, true],
    ['longer ago', 10_001, false],
  ])('where an endpoint succeeded %s leaves bad answers to the endpoints', (_, ms, isClosed) => {
    attempts(['good'], result('delivered'), 0);
    attempts(many(100, 'a', 'b'), result('failed'), ms);
    expect(origin.isClosed()).toBe(isClosed);
  });

  it('goes on when its host gives any answer, and the bad answer counts for its endpoint', () => {
    attempts(many(3, 'a'), result('unreached'));
    expect(origin.isPassable(100, false)).toBe(false);
    expect(origin.isPassable(250, false)).toBe(true);
    attempts(['a'], result('failed'), 250);
    expect(origin.isClosed()).toBe(true);
  });

  it('stays open while the probe of any endpoint fails, and goes on when one succeeds', () => {
    attempts(many(3, 'a', 'b'), result('failed'));
    attempts(['c'], result('failed'), 250);
    expect(origin.why).toBe('no endpoint of its origin succeeds');
    expect(origin.isPassable(260, false)).toBe(false);
    attempts(['a'], result('delivered'), 1000);
    expect(origin.isClosed()).toBe(true);
  });

  it('has one probe at a time, from the parked messages of one endpoint', () => {
    attempts(many(3, 'a'), result('unreached'));
    expect(['a', 'b', 'a'].map((each) => origin.mayProbeFromQueue(each, false, 300))).toEqual([
      true,
      false,
      true,
    ]);
    const probe = origin.start('own');
    expect(origin.isProbed).toBe(true);
    origin.end(probe, 'a', result('unreached'), 400, 0.5);
    expect(origin.isProbed).toBe(false);
  });

  it.each([
    ['an endpoint that succeeded last', 0, true],
    ['an endpoint that succeeded last, after two of its kind failed', 2, true],
    ['none, after three of them failed', 3, false],
  ])('that is open for bad answers trusts %s', (_, failures, trusted) => {
    attempts(many(3, 'a', 'b'), result('failed'));
    for (let number = 0; number < failures; number++)
      origin.end(origin.start('own', true), `well${number}`, result('failed'), 50, 0.5);
    expect(origin.trustsWell).toBe(trusted);
    attempts(['good'], result('delivered'), 100);
    expect(origin.trustsWell).toBe(true);
  });

  it('that is open because its host is not reached trusts no endpoint', () => {
    attempts(many(3, 'a'), result('unreached'));
    expect(origin.trustsWell).toBe(false);
  });

  it('has the parked messages of an endpoint that succeeded last before those of others', () => {
    attempts(many(3, 'a', 'b'), result('failed'));
    const asked = [
      ['a', false],
      ['well', true],
      ['a', false],
      ['other', true],
      ['well', true],
    ] as const;
    expect(asked.map(([each, isWell]) => origin.mayProbeFromQueue(each, isWell, 300))).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
  });

  it('lets every endpoint have its turn, if the messages of others are not due', () => {
    attempts(many(3, 'a'), result('unreached'));
    const turns: string[] = [];
    for (let now = 300; now < 4300; now += 50) {
      const turn = ['a', 'b', 'c'].find((each) => origin.mayProbeFromQueue(each, false, now));
      if (turn !== undefined && turn !== turns.at(-1)) turns.push(turn);
    }
    expect(turns.slice(0, 3)).toEqual(['a', 'b', 'c']);
  });
});
