import { describe, expect, it } from 'vitest';
import { Newcomers } from '../../../src/core/capacity/newcomers.ts';

/** Lets one newcomer after the other start as soon as it may, for `ms`. All hang. Returns when each one started. */
function crowd(newcomers: Newcomers<string>, ms: number): number[] {
  const started: number[] = [];
  for (let now = 0; now < ms; now += 25) {
    const name = `e${started.length}`;
    newcomers.onMet(name);
    if (!newcomers.mayStart(name, now)) continue;
    newcomers.onStarted(name, now);
    started.push(now);
  }
  return started;
}

describe('slots of newcomers', () => {
  it.each([
    [256, 16],
    [32, 2],
    [4, 1],
    [3, 0],
    [1, 0],
  ])('of %d slots are a sixteenth, at least one, and none of less than four: %d', (slots, most) => {
    expect(crowd(new Newcomers(slots), 60_000)).toHaveLength(most);
  });

  it('are given to one newcomer in 100 ms, and to one in a second when half of them are in use', () => {
    const started = crowd(new Newcomers(256), 60_000);
    expect(started.slice(0, 8)).toEqual([0, 100, 200, 300, 400, 500, 600, 700]);
    expect(started.slice(8)).toEqual([1700, 2700, 3700, 4700, 5700, 6700, 7700, 8700]);
  });

  it('are for the endpoint that was met last only, and for one attempt of it', () => {
    const newcomers = new Newcomers<string>(256);
    newcomers.onMet('first');
    newcomers.onMet('last');
    expect([newcomers.mayStart('first', 0), newcomers.mayStart('last', 0)]).toEqual([false, true]);
    newcomers.onStarted('last', 0);
    expect(newcomers.mayStart('last', 5000)).toBe(false);
  });

  it('are free again when the endpoint has answered or has no attempt any more', () => {
    const newcomers = new Newcomers<string>(32);
    crowd(newcomers, 60_000);
    newcomers.onMet('new');
    expect(newcomers.mayStart('new', 70_000)).toBe(false);
    newcomers.onEnded('e0');
    expect(newcomers.mayStart('new', 70_000)).toBe(true);
  });
});
