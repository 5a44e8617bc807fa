import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { announceIfSlow } from '../../src/embedded/progress.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** What is said of a step that ends after so many seconds. */
async function saidOf(seconds: number, isTerminal: boolean): Promise<string[]> {
  const said: string[] = [];
  const work = () => new Promise<string>((resolve) => setTimeout(() => resolve('done'), seconds * 1000 - 1));
  const announced = announceIfSlow('Making it …', (line) => said.push(line), work, isTerminal);
  await vi.advanceTimersByTimeAsync(seconds * 1000);
  expect(await announced).toBe('done');
  await vi.advanceTimersByTimeAsync(100_000);
  return said;
}

test('a step that is done within a second is not spoken of', async () => {
  expect(await saidOf(1, true)).toEqual([]);
});

test('on a terminal, a step that goes on is named every five seconds', async () => {
  expect(await saidOf(12, true)).toEqual(['Making it …', 'Making it … 5 s', 'Making it … 10 s']);
});

test('in a log, it is named every half minute', async () => {
  expect(await saidOf(29, false)).toEqual(['Making it …']);
  expect(await saidOf(61, false)).toEqual(['Making it …', 'Making it … 30 s', 'Making it … 60 s']);
});

test('nothing more is said of a step that failed', async () => {
  const say = vi.fn();
  const failing = announceIfSlow('Making it …', say, () => Promise.reject(new Error('no')), true);
  await expect(failing).rejects.toThrow('no');
  await vi.advanceTimersByTimeAsync(100_000);
  expect(say).not.toHaveBeenCalled();
});
