import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProblemLog, type ProblemLogOptions } from '../../src/runtime/problem-log.ts';

let said: string[];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  said = [];
});
afterEach(() => {
  vi.useRealTimers();
});

function problemLog(options: Omit<ProblemLogOptions, 'sayOver'> = {}) {
  const log = new ProblemLog({ ...options, sayOver: () => void said.push('over') });
  return {
    report: (key?: string) => log.report(() => void said.push(key ?? 'problem'), key),
    clear: () => log.clear(),
  };
}

describe('a problem', () => {
  it('is logged once while it lasts, and once when it is over', () => {
    const { report, clear } = problemLog();
    for (let times = 0; times < 3; times++) {
      report();
      vi.advanceTimersByTime(3_600_000);
    }
    for (let times = 0; times < 3; times++) clear();
    expect(said).toEqual(['problem', 'over']);
  });

  it('is not over before it began', () => {
    problemLog().clear();
    expect(said).toEqual([]);
  });

  it('that comes back is logged again at once', () => {
    const { report, clear } = problemLog();
    report();
    clear();
    report();
    expect(said).toEqual(['problem', 'over', 'problem']);
  });

  it('that comes and goes is logged once in a quiet time', () => {
    const { report, clear } = problemLog({ quietMs: 1000 });
    for (let times = 0; times < 20; times++) {
      report();
      clear();
      vi.advanceTimersByTime(100);
    }
    expect(said).toEqual(['problem', 'over', 'problem', 'over']);
  });

  it('that lasts is logged again after a time', () => {
    const { report } = problemLog({ againAfterMs: 1000 });
    for (let times = 0; times < 25; times++) {
      report();
      vi.advanceTimersByTime(100);
    }
    expect(said).toEqual(['problem', 'problem', 'problem']);
  });

  it('of several is logged for itself', () => {
    const { report } = problemLog({ againAfterMs: 1000 });
    for (const key of ['a', 'b', 'a', 'b']) report(key);
    vi.advanceTimersByTime(1000);
    report('b');
    expect(said).toEqual(['a', 'b', 'b']);
  });
});
