import { afterEach, beforeEach, expect, test, vi } from 'vitest';

type ShowProgress = (step: string, stream: { isTTY: boolean; write(text: string): void }) => () => void;
const module: string = '../../src/prepare/progress.mjs';
const { showProgress } = (await import(module)) as { showProgress: ShowProgress };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** What is written of a step that takes so many seconds and a bit. */
function writtenOf(seconds: number, isTTY: boolean): string {
  const written: string[] = [];
  const end = showProgress('Building', { isTTY, write: (text) => void written.push(text) });
  vi.advanceTimersByTime(seconds * 1000 + 500);
  end();
  vi.advanceTimersByTime(100_000);
  return written.join('');
}

test('a step that is done within a second writes nothing', () => {
  expect([writtenOf(0, true), writtenOf(0, false)]).toEqual(['', '']);
});

test('on a terminal, one line counts the seconds', () => {
  expect(writtenOf(3, true)).toBe('\rBuilding …\rBuilding … 2 s\rBuilding … 3 s\n');
});

test('in a log, a line comes at first and every half minute', () => {
  expect(writtenOf(61, false)).toBe('Building …\nBuilding … 30 s\nBuilding … 60 s\n');
});
