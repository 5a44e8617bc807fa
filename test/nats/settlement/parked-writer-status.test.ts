import { beforeEach, describe, expect, it } from 'vitest';
import { StoreProblem } from '../../../src/nats/settlement/parked-writer-status.ts';
import { HandClock } from '../../support/hand-clock.ts';

const FULL = { failed: 'streamFull', detail: 'it is full' } as const;

let clock: HandClock;
let logged: string[];
let problem: StoreProblem;
beforeEach(() => {
  clock = new HandClock();
  logged = [];
  const keep = (_fields: object, event: string) => logged.push(event);
  const log = { info: keep, warn() {}, error: keep };
  problem = new StoreProblem(log, 'WEBHOOKS_PARKED', clock);
});

describe('a problem with parking', () => {
  it('is logged when it begins and when it ends', () => {
    for (let more = 0; more < 3; more++) problem.report(FULL);
    expect(problem.current()).toContain('it is full');
    for (let more = 0; more < 3; more++) problem.clear();
    expect([logged, problem.current()]).toEqual([['parking.failed', 'parking.recovered'], null]);
  });

  it('that comes and goes is logged once in 30 s', () => {
    for (let more = 0; more < 100; more++) {
      problem.report(FULL);
      problem.clear();
    }
    expect(logged).toEqual(['parking.failed', 'parking.recovered']);
  });

  it('that comes back at once and stays is logged again after 30 s', () => {
    problem.report(FULL);
    problem.clear();
    problem.report(FULL);
    clock.advance(30_000);
    problem.report(FULL);
    expect(logged).toEqual(['parking.failed', 'parking.recovered', 'parking.failed']);
  });

  it('is over after 30 s without another failure', () => {
    problem.report(FULL);
    clock.advance(30_000);
    expect(problem.current()).toBeNull();
  });

  it('of a single message is not reported', () => {
    problem.report({ failed: 'tooLarge', detail: 'it is large' });
    expect([logged, problem.current()]).toEqual([[], null]);
  });
});
