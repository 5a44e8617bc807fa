import { beforeEach, describe, expect, it } from 'vitest';
import { StoreProblem } from '../../../src/nats/settlement/parked-writer-status.ts';
import { HandClock } from '../../support/hand-clock.ts';

const FULL = { failed: 'streamFull', detail: 'it is full' } as const;

let clock: HandClock;
let said: string[];
let trouble: StoreProblem;
beforeEach(() => {
  clock = new HandClock();
  said = [];
  const keep = (_fields: object, event: string) => said.push(event);
  const log = { info: keep, warn() {}, error: keep };
  trouble = new StoreProblem(log, 'WEBHOOKS_PARKED', clock);
});

describe('a problem with parking', () => {
  it('is logged when it begins and when it ends', () => {
    for (let more = 0; more < 3; more++) trouble.report(FULL);
    expect(trouble.current()).toContain('it is full');
    for (let more = 0; more < 3; more++) trouble.clear();
    expect([said, trouble.current()]).toEqual([['parking.failed', 'parking.recovered'], null]);
  });

  it('that comes and goes is logged once in 30 s', () => {
    for (let more = 0; more < 100; more++) {
      trouble.report(FULL);
      trouble.clear();
    }
    expect(said).toEqual(['parking.failed', 'parking.recovered']);
  });

  it('that comes back at once and stays is logged again after 30 s', () => {
    trouble.report(FULL);
    trouble.clear();
    trouble.report(FULL);
    clock.advance(30_000);
    trouble.report(FULL);
    expect(said).toEqual(['parking.failed', 'parking.recovered', 'parking.failed']);
  });

  it('is over after 30 s without another failure', () => {
    trouble.report(FULL);
    clock.advance(30_000);
    expect(trouble.current()).toBeNull();
  });

  it('of a single message is not reported', () => {
    trouble.report({ failed: 'tooLarge', detail: 'it is large' });
    expect([said, trouble.current()]).toEqual([[], null]);
  });
});
