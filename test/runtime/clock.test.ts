import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { HandClock } from '../support/hand-clock.ts';

type Driven = {
  readonly clock: Clock;
  advance(ms: number): void;
  advanceAsync(ms: number): Promise<unknown>;
};

function driveSystemClock(): Driven {
  vi.useFakeTimers();
  return {
    clock: systemClock,
    advance: (ms) => vi.advanceTimersByTime(ms),
    advanceAsync: (ms) => vi.advanceTimersByTimeAsync(ms),
  };
}

function driveHandClock(): Driven {
  const clock = new HandClock();
  return { clock, advance: (ms) => clock.advance(ms), advanceAsync: (ms) => clock.advanceAsync(ms) };
}

afterEach(() => void vi.useRealTimers());

describe.each([
  ['the clock of the process', driveSystemClock],
  ['the clock that a test drives', driveHandClock],
])('%s', (_name, drive) => {
  it('tells how much time passed', () => {
    const { clock, advance } = drive();
    const before = clock.now();
    advance(1500);
    expect(clock.now() - before).toBe(1500);
  });

  it('runs a task once when its time comes, and not if it is cancelled', () => {
    const { clock, advance } = drive();
    const [task, cancelled] = [vi.fn(), vi.fn()];
    clock.after(100, task);
    const cancel = clock.after(100, cancelled);
    advance(99);
    expect(task).not.toHaveBeenCalled();
    cancel();
    advance(1000);
    expect([task.mock.calls.length, cancelled.mock.calls.length]).toEqual([1, 0]);
  });

  it('repeats a task until it is stopped, also by the task itself', () => {
    const { clock, advance } = drive();
    const times: number[] = [];
    const begun = clock.now();
    const stop = clock.repeat(100, () => {
      times.push(clock.now() - begun);
      if (times.length === 3) stop();
    });
    advance(1000);
    expect(times).toEqual([100, 200, 300]);
  });

  it('runs tasks in the order of their times, those of one time in the order of their coming', () => {
    const { clock, advance } = drive();
    const order: string[] = [];
    clock.after(200, () => order.push('late'));
    clock.repeat(100, () => order.push('repeated'));
    clock.after(100, () => {
      order.push('once');
      clock.after(50, () => order.push('from a task'));
    });
    advance(200);
    expect(order).toEqual(['repeated', 'once', 'from a task', 'late', 'repeated']);
  });

  it('lets promises settle before the next task, where the test waits for it', async () => {
    const { clock, advanceAsync } = drive();
    const order: string[] = [];
    clock.after(100, () => void Promise.resolve().then(() => order.push('settled')));
    clock.after(200, () => order.push('next'));
    await advanceAsync(200);
    expect(order).toEqual(['settled', 'next']);
  });
});
