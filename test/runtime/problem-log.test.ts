import { beforeEach, describe, expect, it } from 'vitest';
import { ProblemLog, type ProblemLogOptions } from '../../src/runtime/problem-log.ts';
import { HandClock } from '../support/hand-clock.ts';

let logged: string[];
let clock: HandClock;
beforeEach(() => {
  logged = [];
  clock = new HandClock();
});

function problemLog(options: Pick<ProblemLogOptions, 'againAfterMs' | 'quietMs'> = {}) {
  const log = new ProblemLog({ ...options, clock, sayOver: () => void logged.push('over') });
  return {
    report: (key?: string) => log.report(() => void logged.push(key ?? 'problem'), key),
    clear: () => log.clear(),
  };
}

describe('a problem', () => {
  it('is logged once while it lasts, and once when it is over', () => {
    const { report, clear } = problemLog();
    for (let times = 0; times < 3; times++) {
      report();
      clock.advance(3_600_000);
    }
    for (let times = 0; times < 3; times++) clear();
    expect(logged).toEqual(['problem', 'over']);
  });

  it('is not logged as over if it never began', () => {
    problemLog().clear();
    expect(logged).toEqual([]);
  });

  it('is logged again at once if it comes back', () => {
    const { report, clear } = problemLog();
    report();
    clear();
    report();
    expect(logged).toEqual(['problem', 'over', 'problem']);
  });

  it('is logged once per quietMs if it comes and goes', () => {
    const { report, clear } = problemLog({ quietMs: 1000 });
    for (let times = 0; times < 20; times++) {
      report();
      clear();
      clock.advance(100);
    }
    expect(logged).toEqual(['problem', 'over', 'problem', 'over']);
  });

  it('is logged again after againAfterMs while it lasts', () => {
    const { report } = problemLog({ againAfterMs: 1000 });
    for (let times = 0; times < 25; times++) {
      report();
      clock.advance(100);
    }
    expect(logged).toEqual(['problem', 'problem', 'problem']);
  });

  it('is logged once per key', () => {
    const { report } = problemLog({ againAfterMs: 1000 });
    for (const key of ['a', 'b', 'a', 'b']) report(key);
    clock.advance(1000);
    report('b');
    expect(logged).toEqual(['a', 'b', 'b']);
  });
});
