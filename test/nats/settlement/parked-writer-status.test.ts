import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ParkingTrouble } from '../../../src/nats/settlement/parked-writer-status.ts';

const FULL = { failed: 'streamFull', detail: 'it is full' } as const;

let said: string[];
let trouble: ParkingTrouble;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  said = [];
  const log = { info: () => said.push('ended'), warn() {}, error: () => said.push('began') };
  trouble = new ParkingTrouble(log, 'WEBHOOKS_PARKED');
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a trouble with parking', () => {
  it('is said when it begins and when it ends', () => {
    for (let more = 0; more < 3; more++) trouble.note(FULL);
    expect(trouble.now()).toContain('it is full');
    for (let more = 0; more < 3; more++) trouble.end();
    expect([said, trouble.now()]).toEqual([['began', 'ended'], null]);
  });

  it('that comes and goes is said once in 30 s', () => {
    for (let more = 0; more < 100; more++) {
      trouble.note(FULL);
      trouble.end();
    }
    expect(said).toEqual(['began', 'ended']);
  });

  it('that comes back at once, and stays, is said again after 30 s', () => {
    trouble.note(FULL);
    trouble.end();
    trouble.note(FULL);
    vi.advanceTimersByTime(30_000);
    trouble.note(FULL);
    expect(said).toEqual(['began', 'ended', 'began']);
  });

  it('counts as over after 30 s without another', () => {
    trouble.note(FULL);
    vi.advanceTimersByTime(30_000);
    expect(trouble.now()).toBeNull();
  });

  it('of one message alone is none of ours', () => {
    trouble.note({ failed: 'tooLarge', detail: 'it is large' });
    expect([said, trouble.now()]).toEqual([[], null]);
  });
});
