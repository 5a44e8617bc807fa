import { beforeEach, describe, expect, it, vi } from 'vitest';
import { every } from '../../src/runtime/every.ts';
import { HandClock } from '../support/hand-clock.ts';

let clock: HandClock;
beforeEach(() => {
  clock = new HandClock();
});

describe('a periodic task', () => {
  it('runs after each interval, and not at once', () => {
    const task = vi.fn();
    const stop = every(100, task, { clock });
    expect(task).toHaveBeenCalledTimes(0);
    clock.advance(350);
    expect(task).toHaveBeenCalledTimes(3);
    stop();
  });

  it('never runs after a stop, and a second stop does nothing', () => {
    const task = vi.fn();
    const stop = every(100, task, { clock });
    stop();
    stop();
    clock.advance(1000);
    expect(task).not.toHaveBeenCalled();
  });

  it('never overlaps with itself, and continues once a slow run has ended', async () => {
    let finish = () => {};
    const task = vi.fn(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    const stop = every(100, task, { clock });
    await clock.advanceAsync(1000);
    expect(task).toHaveBeenCalledTimes(1);
    finish();
    await clock.advanceAsync(100);
    expect(task).toHaveBeenCalledTimes(2);
    stop();
  });

  it('keeps the process alive, except with unref', () => {
    const timers = vi.spyOn(globalThis, 'setInterval');
    const stops = [every(1000, () => {}), every(1000, () => {}, { unref: true })];
    expect(timers.mock.results.map(({ value }) => value.hasRef())).toEqual([true, false]);
    for (const stop of stops) stop();
    timers.mockRestore();
  });
});
