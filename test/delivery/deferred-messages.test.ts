import { describe, expect, it, vi } from 'vitest';
import { DeferredMessages } from '../../src/delivery/deferred-messages.ts';
import { MemoryBudget } from '../../src/delivery/memory-budget.ts';
import { HandClock } from '../support/hand-clock.ts';

/** Memory per message besides its bytes, in bytes. */
const BESIDE = 2048;

function open(mostBytes = 10_000, work = Promise.resolve()) {
  const clock = new HandClock();
  const again: { size: number }[] = [];
  const aside: DeferredMessages<{ size: number }> = new DeferredMessages({
    budget: new MemoryBudget(mostBytes),
    maxResumedAtOnce: 2,
    clock,
    random: () => 0.5,
  });
  aside.start((message) => {
    again.push(message);
    return work;
  });
  return { aside, again, clock };
}

describe('a deferred message', () => {
  it('resumes after a delay that doubles up to 15 s', () => {
    const { aside, again, clock } = open();
    const message = { size: 10 };
    for (const waitMs of [2000, 4000, 8000, 15_000, 15_000]) {
      again.length = 0;
      expect(aside.defer(message)).toBe(true);
      clock.advance(waitMs - 1);
      expect([again.length, aside.count]).toEqual([0, 1]);
      clock.advance(1);
      expect([again, aside.count]).toEqual([[message], 0]);
    }
  });

  it('is refused if no memory is left', () => {
    const { aside, clock } = open(25 + 2 * BESIDE);
    expect([1, 2, 3].map(() => aside.defer({ size: 10 }))).toEqual([true, true, false]);
    clock.advance(2000);
    expect(aside.defer({ size: 25 + BESIDE })).toBe(true);
  });

  it('is counted with all the memory that it takes, not only with its bytes', () => {
    const { aside } = open(100 * BESIDE);
    for (let kept = 0; kept < 1000; kept++) aside.defer({ size: 1 });
    expect(aside.count).toBe(99);
  });

  it('is returned by takeAll, and does not resume after that', () => {
    const { aside, again, clock } = open();
    const messages = [{ size: 1 }, { size: 2 }];
    for (const message of messages) aside.defer(message);
    expect(aside.takeAll()).toEqual(messages);
    clock.advance(100_000);
    expect([again, aside.count]).toEqual([[], 0]);
  });

  it('resumes when the promise of deferUntil resolves, unless takeAll has removed it', async () => {
    const { aside, again } = open();
    const [one, other] = [{ size: 10 }, { size: 10 }];
    let tell = () => {};
    const news = new Promise<void>((resolve) => {
      tell = resolve;
    });
    expect([aside.deferUntil(one!, news), aside.count, again.length]).toEqual([true, 1, 0]);
    tell();
    await vi.waitFor(() => expect([again, aside.count]).toEqual([[one], 0]));
    aside.deferUntil(other!, news);
    expect(aside.takeAll()).toEqual([other]);
    await news;
    expect(again).toEqual([one]);
  });

  it('resumes only while fewer than maxResumedAtOnce resumed messages are in progress', async () => {
    let done = () => {};
    const work = new Promise<void>((resolve) => {
      done = resolve;
    });
    const { aside, again } = open(100_000, work);
    const news = Promise.resolve();
    for (let size = 0; size < 5; size++) aside.deferUntil({ size }, news);
    await news;
    expect([again.length, aside.count]).toEqual([2, 3]);
    done();
    await vi.waitFor(() =>
      expect([again.map(({ size }) => size), aside.count]).toEqual([[0, 1, 2, 3, 4], 0]),
    );
  });
});
