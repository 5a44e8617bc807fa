import { expect, test, vi } from 'vitest';
import { announceIfSlow } from '../../src/embedded/progress.ts';
import { HandClock } from '../support/hand-clock.ts';

/** The lines that announce a step that takes this number of seconds. */
async function linesOf(seconds: number, isTerminal: boolean): Promise<string[]> {
  const clock = new HandClock();
  const lines: string[] = [];
  const work = () => new Promise<string>((resolve) => clock.after(seconds * 1000 - 1, () => resolve('done')));
  const options = { isTerminal, clock };
  const announced = announceIfSlow('Making it …', (line) => lines.push(line), work, options);
  await clock.advanceAsync(seconds * 1000);
  expect(await announced).toBe('done');
  await clock.advanceAsync(100_000);
  return lines;
}

test('a step is not announced if it ends within a second', async () => {
  expect(await linesOf(1, true)).toEqual([]);
});

test('a slow step is announced every five seconds on a terminal', async () => {
  expect(await linesOf(12, true)).toEqual(['Making it …', 'Making it … 5 s', 'Making it … 10 s']);
});

test('a slow step is announced every half minute in a log', async () => {
  expect(await linesOf(29, false)).toEqual(['Making it …']);
  expect(await linesOf(61, false)).toEqual(['Making it …', 'Making it … 30 s', 'Making it … 60 s']);
});

test('a step is not announced after it failed', async () => {
  const clock = new HandClock();
  const announce = vi.fn();
  const failing = announceIfSlow('Making it …', announce, () => Promise.reject(new Error('no')), {
    isTerminal: true,
    clock,
  });
  await expect(failing).rejects.toThrow('no');
  await clock.advanceAsync(100_000);
  expect(announce).not.toHaveBeenCalled();
});
