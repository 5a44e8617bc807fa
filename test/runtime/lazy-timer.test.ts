import { expect, it, vi } from 'vitest';
import { LazyTimer } from '../../src/runtime/lazy-timer.ts';
import { HandClock } from '../support/hand-clock.ts';

function lazyTimer() {
  const clock = new HandClock();
  const task = vi.fn();
  return { clock, task, timer: new LazyTimer(100, task, { clock }) };
}

it('costs nothing until it is started', () => {
  const { clock, task, timer } = lazyTimer();
  clock.advance(1000);
  expect([task.mock.calls.length, clock.scheduled, timer.isRunning]).toEqual([0, 0, false]);
});

it('is one timer, however often it is started, and keeps its beat', () => {
  const { clock, task, timer } = lazyTimer();
  for (let times = 0; times < 10; times++) {
    timer.start();
    clock.advance(35);
  }
  expect([task.mock.calls.length, clock.scheduled, timer.isRunning]).toEqual([3, 1, true]);
});

it('may be stopped by its own task, and started again', () => {
  const { clock, task, timer } = lazyTimer();
  task.mockImplementation(() => timer.stop());
  timer.start();
  clock.advance(1000);
  expect([task.mock.calls.length, clock.scheduled, timer.isRunning]).toEqual([1, 0, false]);
  timer.start();
  clock.advance(99);
  expect(task).toHaveBeenCalledTimes(1);
  clock.advance(1);
  expect(task).toHaveBeenCalledTimes(2);
});
