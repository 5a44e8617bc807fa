import { beforeEach, describe, expect, it } from 'vitest';
import { CapTurns } from '../../../src/core/capacity/cap-turns.ts';

let turns: CapTurns;
beforeEach(() => {
  turns = new CapTurns();
});

/** How many places each of the endpoints may use, if they ask in this order. */
const ask = (free: number, now: number, ...endpoints: string[]) =>
  endpoints.map((endpoint) => turns.placesFor(endpoint, free, 'queue', now));

describe('turns at a shared cap', () => {
  it('are nobody’s while nobody waits', () => {
    expect(ask(3, 0, 'origin', 'url')).toEqual([3, 3]);
  });

  it('go to the endpoint that has waited longest, whoever asks first', () => {
    expect(ask(0, 0, 'url', 'origin')).toEqual([0, 0]);
    expect(ask(1, 50, 'origin', 'url')).toEqual([0, 1]);
    turns.onStarted('url');
    expect(ask(1, 60, 'url', 'origin')).toEqual([0, 1]);
  });

  it('keep one place for each endpoint that has waited longer, and no more', () => {
    ask(0, 0, 'url', 'other');
    expect(ask(3, 50, 'origin', 'url', 'other')).toEqual([1, 3, 2]);
  });

  it.each([
    1, 2, 5,
  ])('let each of %d waiting endpoints start before the one that asks all the time', (count) => {
    const urls = Array.from({ length: count }, (_, number) => `url${number}`);
    const started: string[] = [];
    for (let now = 0; started.length < 2 * (count + 1); now += 10) {
      // The place is in use, and then free for a moment. The origin asks first.
      ask(0, now, 'origin', ...urls);
      const next = ['origin', ...urls].find((each) => turns.placesFor(each, 1, 'queue', now) > 0)!;
      turns.onStarted(next);
      started.push(next);
    }
    const each = ['origin', ...urls];
    expect(started).toEqual([...each, ...each]);
  });

  it('end if the endpoint does not ask any more', () => {
    ask(0, 0, 'url');
    expect(ask(1, 250, 'origin')).toEqual([0]);
    expect(ask(1, 251, 'origin')).toEqual([1]);
  });

  it('end if the endpoint had a place for long and did not use it, and it has none for a while', () => {
    ask(0, 0, 'url');
    for (let now = 50; now <= 350; now += 50) expect(ask(1, now, 'url', 'origin')).toEqual([1, 0]);
    // Now it is the turn of the origin.
    expect(ask(1, 400, 'url', 'origin')).toEqual([0, 1]);
    turns.onStarted('origin');
    for (let now = 450; now < 3350; now += 50) {
      ask(0, now, 'url');
      expect(ask(1, now, 'origin')).toEqual([1]);
    }
    ask(0, 3450, 'url');
    expect(ask(1, 3450, 'origin')).toEqual([0]);
  });

  it('are for a message that is here, although the queue of its endpoint did not use the last turn', () => {
    ask(0, 0, 'url');
    for (let now = 50; now <= 400; now += 50) ask(1, now, 'url', 'origin');
    turns.onStarted('origin');
    expect(turns.placesFor('url', 0, 'message', 450)).toBe(0);
    expect(ask(1, 500, 'origin', 'url')).toEqual([0, 1]);
  });

  it.each([1, 3, 12, 64])('leave most of the time, although %d endpoints never use their turns', (count) => {
    const idle = Array.from({ length: count }, (_, number) => `url${number}`);
    let started = 0;
    for (let now = 0; now < 600_000; now += 50) {
      // The attempt of the origin ends, and the next one may start. Only then is the place in use again.
      ask(1, now, ...idle);
      if (turns.placesFor('origin', 1, 'queue', now) === 0) continue;
      turns.onStarted('origin');
      started++;
      ask(0, now + 1, ...idle, 'origin');
    }
    expect(started).toBeGreaterThan((0.83 * 600_000) / 50);
  });

  it('are not for endpoints without a message that waits', () => {
    expect(turns.placesFor('url', 0, 'none', 0)).toBe(0);
    expect(ask(1, 10, 'origin')).toEqual([1]);
  });
});
