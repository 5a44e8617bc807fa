import { afterEach, beforeEach, expect, test, vi } from 'vitest';

type ShowProgress = (step: string, stream: { isTTY: boolean; write(text: string): void }) => () => void;
const module: string = '../../src/prepare/progress.mjs';
const { showProgress } = (await import(module)) as { showProgress: ShowProgress };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** The progress that is written for a step that takes half a second more than this. */
function writtenOf(seconds: number, isTTY: boolean): string {
  const written: string[] = [];
  const end = showProgress('Building', { isTTY, write: (text) => void written.push(text) });
  vi.advanceTimersByTime(seconds * 1000 + 500);
  end();
  vi.advanceTimersByTime(100_000);
  return written.join('');
}

test('the progress of a step within a second is not written', () => {
  expect([writtenOf(0, true), writtenOf(0, false)]).toEqual(['', '']);
});

test('the progress on a terminal is one line that counts the seconds', () => {
  expect(writtenOf(3, true)).toBe('\rBuilding …\rBuilding … 2 s\rBuilding … 3 s\n');
});

test('the progress in a log is one line at once, and one every half minute', () => {
  expect(writtenOf(61, false)).toBe('Building …\nBuilding … 30 s\nBuilding … 60 s\n');
});
