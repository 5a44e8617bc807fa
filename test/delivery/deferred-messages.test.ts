import { describe, expect, it, vi } from 'vitest';
import { DeferredMessages } from '../../src/delivery/deferred-messages.ts';
import { MemoryBudget } from '../../src/delivery/memory-budget.ts';
import { HandClock } from '../support/hand-clock.ts';

/** Memory per message besides its bytes, in bytes. */
const OVERHEAD_BYTES = 2048;

function open(maxBytes = 10_000, work = Promise.resolve()) {
  const clock = new HandClock();
  const resumed: { size: number }[] = [];
  const deferred: DeferredMessages<{ size: number }> = new DeferredMessages({
    budget: new MemoryBudget(maxBytes),
    maxResumedAtOnce: 2,
    clock,
    random: () => 0.5,
  });
  deferred.start((message) => {
    resumed.push(message);
    return work;
  });
  return { deferred, resumed, clock };
}

describe('a deferred message', () => {
  it('resumes after a delay that doubles up to 15 s', () => {
    const { deferred, resumed, clock } = open();
    const message = { size: 10 };
    for (const waitMs of [2000, 4000, 8000, 15_000, 15_000]) {
      resumed.length = 0;
      expect(deferred.defer(message)).toBe(true);
      clock.advance(waitMs - 1);
      expect([resumed.length, deferred.count]).toEqual([0, 1]);
      clock.advance(1);
      expect([resumed, deferred.count]).toEqual([[message], 0]);
    }
  });

  it('is refused if no memory is left', () => {
    const { deferred, clock } = open(25 + 2 * OVERHEAD_BYTES);
    expect([1, 2, 3].map(() => deferred.defer({ size: 10 }))).toEqual([true, true, false]);
    clock.advance(2000);
    expect(deferred.defer({ size: 25 + OVERHEAD_BYTES })).toBe(true);
  });

  it('is counted with all the memory that it takes, not only with its bytes', () => {
    const { deferred } = open(100 * OVERHEAD_BYTES);
    for (let kept = 0; kept < 1000; kept++) deferred.defer({ size: 1 });
    expect(deferred.count).toBe(99);
  });

  it('is returned by takeAll, and does not resume after that', () => {
    const { deferred, resumed, clock } = open();
    const messages = [{ size: 1 }, { size: 2 }];
    for (const message of messages) deferred.defer(message);
    expect(deferred.takeAll()).toEqual(messages);
    clock.advance(100_000);
    expect([resumed, deferred.count]).toEqual([[], 0]);
  });

  it('resumes when the promise of deferUntil resolves, unless takeAll has removed it', async () => {
    const { deferred, resumed } = open();
    const [one, other] = [{ size: 10 }, { size: 10 }];
    let resolveEvent = () => {};
    const event = new Promise<void>((resolve) => {
      resolveEvent = resolve;
    });
    expect([deferred.deferUntil(one!, event), deferred.count, resumed.length]).toEqual([true, 1, 0]);
    resolveEvent();
    await vi.waitFor(() => expect([resumed, deferred.count]).toEqual([[one], 0]));
    deferred.deferUntil(other!, event);
    expect(deferred.takeAll()).toEqual([other]);
    await event;
    expect(resumed).toEqual([one]);
  });

  it('resumes only while fewer than maxResumedAtOnce resumed messages are in progress', async () => {
    let done = () => {};
    const work = new Promise<void>((resolve) => {
      done = resolve;
    });
    const { deferred, resumed } = open(100_000, work);
    const event = Promise.resolve();
    for (let size = 0; size < 5; size++) deferred.deferUntil({ size }, event);
    await event;
    expect([resumed.length, deferred.count]).toEqual([2, 3]);
    done();
    await vi.waitFor(() =>
      expect([resumed.map(({ size }) => size), deferred.count]).toEqual([[0, 1, 2, 3, 4], 0]),
    );
  });
});
