import { beforeEach, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limits.ts';
import { MAX_SPLIT } from '../../../src/core/capacity/url-split.ts';
import { endpointKey, parseTarget, type Target } from '../../../src/core/request/target.ts';
import type { Attempt, Outcome } from '../../../src/core/retry/attempt.ts';
import { Admission } from '../../../src/delivery/admission/admission.ts';
import type { Permit } from '../../../src/delivery/admission/tracked-endpoint.ts';
import { HandClock } from '../../support/hand-clock.ts';

const FRESH = { isParkedCopy: false, isRetry: false, cannotPark: false };
const RETRY = { ...FRESH, isRetry: true };
const HOST = 'https://a.example';
const ORIGIN = endpointKey(HOST, 'a.example');
const BAD = endpointKey(`${HOST}/bad`, 'a.example');

let clock: HandClock;
let admission: Admission;
let logged: string[];
beforeEach(() => {
  clock = new HandClock();
  logged = [];
  admission = new Admission({
    slots: 100,
    unresponsiveAfterMs: 200,
    retryAfterMaxMs: 3_600_000,
    maxEndpoints: 10_000,
    isBusy: () => false,
    limits: NO_LIMITS,
    log: { info: (_fields: unknown, event?: string) => logged.push(event!) },
    clock,
    random: () => 0.5,
  });
});

function targetOf(url: string, keyOf: 'auto' | 'origin' | 'url' = 'auto'): Target {
  const parsed = parseTarget(url.startsWith('/') ? HOST + url : url, 'url', keyOf);
  if (parsed.kind !== 'target') throw new Error(parsed.detail);
  return parsed.target;
}

const attempt = (outcome: Outcome): Attempt => ({ outcome, startedAt: 0, durationMs: 50 });
const responded = (status: number) =>
  attempt({ kind: 'responded', status, retryAfterMs: null, excerpt: null });
const REFUSED = attempt({ kind: 'unreachable', code: 'ECONNREFUSED', detail: 'refused' } as Outcome);

/** The key that a message with this URL has now. */
const keyOf = (url: string, parkedKey: string | null = null) =>
  admission.targetFor(targetOf(url), parkedKey).endpointKey;

async function send(url: string, result: Attempt, message = FRESH): Promise<void> {
  const answer = admission.admit(admission.targetFor(targetOf(url), null), message);
  // A message that waits in its slot is not sent.
  if ('kind' in answer && answer.kind === 'permit') answer.release(result);
}

/** Lets the bad URL fail, and the good one succeed, in turn. */
async function failInTurn(times: number, result = responded(503), bad = '/bad'): Promise<void> {
  for (let time = 0; time < times; time++) {
    await send('/good', responded(200));
    await send(bad, result);
  }
}

describe('a URL that fails while another URL of its origin succeeds', () => {
  it.each([429, 500, 503])('is split off if it answers %d, and the origin goes on', async (status) => {
    await failInTurn(10, responded(status));
    expect(keyOf('/bad')).toBe(BAD);
    expect(keyOf('/good')).toBe(ORIGIN);
    expect(logged).toEqual(['endpoint.split']);
    expect(admission.isClosedFor(targetOf('/good'))).toBe(false);
  });

  it('shows its URL, and the origin its origin', async () => {
    await failInTurn(10);
    expect([...admission.endpoints()].map(({ key, url }) => [key, url])).toEqual([
      [ORIGIN, HOST],
      [BAD, `${HOST}/bad`],
    ]);
  });

  it('is one endpoint for all queries', async () => {
    for (let number = 0; number < 10; number++) {
      await send('/good', responded(200));
      await send(`/bad?n=${number}`, responded(503));
    }
    expect(keyOf('/bad?n=other')).toBe(BAD);
  });

  it('is closed after one more failure, because it has met the rule already', async () => {
    await failInTurn(11);
    expect(admission.isClosedFor(admission.targetFor(targetOf('/bad'), null))).toBe(true);
  });

  it('is split off after three silent first attempts', async () => {
    const bad = targetOf('/bad');
    await send('/good', responded(200));
    for (let count = 0; count < 3; count++) await admission.admit(bad, FRESH);
    for (let count = 0; count < 10; count++) {
      await clock.advanceAsync(50);
      await send('/good', responded(200));
    }
    expect(keyOf('/bad')).toBe(BAD);
  });

  it('takes its hung attempts along, so that the origin has capacity again', async () => {
    await send('/good', responded(200));
    const hung: Permit[] = [];
    for (let count = 0; count < 8; count++)
      hung.push((await admission.admit(targetOf('/bad'), FRESH)) as Permit);
    for (let count = 0; count < 10; count++) {
      await clock.advanceAsync(50);
      await send('/good', responded(200));
    }
    expect(keyOf('/bad')).toBe(BAD);
    const [origin, split] = [...admission.endpoints()];
    expect([origin!.limiter.inFlight, split!.limiter.inFlight]).toEqual([0, 8]);
    for (const permit of hung)
      permit.release(attempt({ kind: 'timedOut', phase: 'response' } as unknown as Outcome));
    expect(split!.limiter.inFlight).toBe(0);
    const failures = [origin!, split!].map(({ limiter }) => limiter.breaker.counts(clock.now()).failures);
    expect(failures).toEqual([0, 8]);
  });

  it('says nothing of the origin by the attempts that began before', async () => {
    const bad = targetOf('/bad');
    await send('/good', responded(200));
    const early: Permit[] = [];
    for (let count = 0; count < 5; count++) early.push((await admission.admit(bad, FRESH)) as Permit);
    await failInTurn(10);
    expect(keyOf('/bad')).toBe(BAD);
    const origin = [...admission.endpoints()][0]!;
    const before = origin.limiter.breaker.counts(clock.now());
    for (const permit of early) permit.release(responded(503));
    expect(origin.limiter.breaker.counts(clock.now())).toEqual(before);
  });

  it('merges again after 60 s without trouble, and not while messages are parked for it', async () => {
    await failInTurn(10);
    const split = admission.endpointFor(BAD);
    split.untried.messages = 5;
    for (let s = 0; s < 100; s += 5) {
      await clock.advanceAsync(5000);
      admission.tidy();
    }
    expect(keyOf('/bad')).toBe(BAD);
    split.untried.messages = 0;
    await clock.advanceAsync(60_000);
    admission.tidy();
    expect(keyOf('/bad')).toBe(BAD);
    await clock.advanceAsync(5000);
    admission.tidy();
    expect(keyOf('/bad')).toBe(ORIGIN);
    expect(logged).toEqual(['endpoint.split', 'endpoint.merged']);
  });
});

describe('a URL is not split off', () => {
  it.each([
    ['if no other URL of its origin succeeds', async () => failAlone(30, responded(503))],
    ['if only its retries fail', async () => failInTurnRetries(30)],
    ['if its host is not reached', async () => failInTurn(9, REFUSED)],
    ['if it fails only now and then', async () => failAndSucceed(50)],
  ])('%s', async (_, run) => {
    await run();
    expect(keyOf('/bad')).toBe(ORIGIN);
  });

  it.each(['origin', 'url'] as const)('with ENDPOINT_KEY=%s', async (setting) => {
    const target = (url: string) => admission.targetFor(targetOf(url, setting), null);
    for (let time = 0; time < 30; time++) {
      for (const [url, status] of [
        ['/good', 200],
        ['/bad', 503],
      ] as const) {
        const answer = admission.admit(target(url), FRESH);
        if ('kind' in answer && answer.kind === 'permit') answer.release(responded(status));
      }
    }
    expect(logged).toEqual([]);
    expect(target('/bad').endpointKey).toBe(setting === 'url' ? BAD : ORIGIN);
  });

  async function failAlone(times: number, result: Attempt): Promise<void> {
    for (let time = 0; time < times; time++) await send('/bad', result);
  }

  async function failInTurnRetries(times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      await send('/good', responded(200));
      await send('/bad', responded(503), RETRY);
    }
  }

  async function failAndSucceed(times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      await send('/good', responded(200));
      await send('/bad', responded(time % 3 === 0 ? 200 : 503));
    }
  }
});

describe('a copy in the queue of a URL that a peer split off', () => {
  it('splits the URL off here, too', () => {
    admission.endpointFor(BAD);
    expect(keyOf('/bad', BAD)).toBe(BAD);
    expect(keyOf('/bad')).toBe(BAD);
    expect(keyOf('/good')).toBe(ORIGIN);
    expect(admission.endpointFor(BAD).url).toBe(`${HOST}/bad`);
    expect(logged).toEqual(['endpoint.split']);
  });

  it('in the queue of the origin goes to its URL, once that is split off', async () => {
    await failInTurn(10);
    expect(keyOf('/bad', ORIGIN)).toBe(BAD);
    expect(keyOf('/good', ORIGIN)).toBe(ORIGIN);
  });

  it('in the queue of another endpoint splits nothing off', () => {
    expect(keyOf('/bad', 'orders-12345678')).toBe(ORIGIN);
    expect(keyOf('/bad')).toBe(ORIGIN);
  });
});

it('a URL that is split off merges when the worker forgets it', async () => {
  await failInTurn(10);
  await clock.advanceAsync(700_000);
  admission.tidy();
  expect(keyOf('/bad')).toBe(ORIGIN);
  expect(logged).toEqual(['endpoint.split', 'endpoint.merged']);
});

it('URLs that are split off are bounded, for each origin', async () => {
  for (let number = 0; number < 2 * MAX_SPLIT.ofOrigin; number++)
    keyOf(`/u${number}`, endpointKey(`${HOST}/u${number}`, 'a.example'));
  const split = [...admission.endpoints()].filter(({ url }) => url !== HOST);
  expect(split.length).toBe(MAX_SPLIT.ofOrigin);
});

it('URLs that are all different, and all fail, close their origin', async () => {
  for (let number = 0; number < 3; number++) await send(`/${number}`, responded(503));
  expect(admission.isClosedFor(targetOf('/next'))).toBe(true);
});
