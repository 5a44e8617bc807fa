import { describe, expect, it } from 'vitest';
import {
  effectiveLimits,
  type LimitSources,
  NO_SOURCES,
  type OperatorLimits,
} from '../../../src/core/capacity/endpoint-limits.ts';
import { LimitsInForce } from '../../../src/core/capacity/limits-in-force.ts';
import { Origin } from '../../../src/core/capacity/origin.ts';
import { endpointOf } from '../../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../../src/core/endpoint/registry.ts';
import { endpointKey } from '../../../src/core/request/target.ts';
import { registeredRow } from '../endpoint/registered-row.ts';

const DEFAULTS = { concurrency: undefined, ratePerSecond: undefined, disabledEndpoint: 'park' } as const;
const POLICY = {
  retries: {
    maxAttempts: 7,
    terminalStatuses: new Set<number>(),
    backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
  },
  disabled: 'park',
} as const;
const HERE = endpointKey('https://example.com', 'example.com');
const ELSEWHERE = endpointKey('https://other.example', 'other.example');
const ROW = endpointOf(registeredRow({ url: 'https://example.com/in' }), POLICY);
const URL_KEY = endpointKey('https://example.com/bad', 'example.com');

const rule = (more: Partial<OperatorLimits>): OperatorLimits => ({
  paused: false,
  pausedReason: null,
  maxConcurrency: null,
  rateLimit: null,
  ...more,
});

function limitsOf(
  rules: Record<string, Partial<OperatorLimits>>,
  key: string,
  originKey: string | null,
  isSplit = false,
) {
  const byOperator = new Map(Object.entries(rules).map(([name, more]) => [name, rule(more)]));
  const said: LimitSources = { ...NO_SOURCES, byOperator, registry: new Registry([ROW]) };
  return effectiveLimits(DEFAULTS, said, key, originKey, isSplit);
}

describe('a pause of an origin', () => {
  it.each([
    ['the origin', HERE, HERE, 'moving'],
    ['a URL that is split off', URL_KEY, HERE, 'its origin is paused: moving'],
    ['a row', ROW.key, HERE, 'its origin is paused: moving'],
    ['a row of which only the key is known yet', ROW.key, null, 'its origin is paused: moving'],
    ['no endpoint of another origin', 'other', ELSEWHERE, null],
    ['no endpoint that is not known', 'unknown', null, null],
  ])('holds %s', (_, key, originKey, paused) => {
    const rules = { [HERE]: { paused: true, pausedReason: 'moving' } };
    expect(limitsOf(rules, key, originKey).paused).toBe(paused);
  });

  it('gives way to the reason of the endpoint itself', () => {
    const rules = { [HERE]: { paused: true }, [URL_KEY]: { paused: true, pausedReason: 'broken' } };
    expect(limitsOf(rules, URL_KEY, HERE).paused).toBe('broken');
  });

  it('that is over holds nothing', () => {
    expect(limitsOf({ [HERE]: { maxConcurrency: 2 } }, ROW.key, HERE).paused).toBeNull();
  });
});

it('a pause of a URL or a row does not hold its origin', () => {
  const rules = { [URL_KEY]: { paused: true }, [ROW.key]: { paused: true } };
  expect(limitsOf(rules, HERE, HERE).paused).toBeNull();
});

describe('a URL that is split off has the cap and rate', () => {
  it.each([
    ['of its origin', { [HERE]: { maxConcurrency: 4, rateLimit: 20 } }, true, [4, 20]],
    ['of its own rule', { [HERE]: { maxConcurrency: 4 }, [URL_KEY]: { maxConcurrency: 2 } }, true, [2, null]],
    ['that nobody set', {}, true, [null, null]],
    ['not of its origin, if each URL is an endpoint', { [HERE]: { maxConcurrency: 4 } }, false, [null, null]],
  ])('%s', (_, rules, isSplit, expected) => {
    const { concurrency, ratePerSecond } = limitsOf(rules, URL_KEY, HERE, isSplit);
    expect([concurrency, ratePerSecond]).toEqual(expected);
  });

  it('and shares neither with its origin where it has rules of its own', () => {
    const rules = { [HERE]: { maxConcurrency: 4 }, [URL_KEY]: { maxConcurrency: 2, rateLimit: 1 } };
    expect(limitsOf(rules, URL_KEY, HERE, true)).toMatchObject({ hasOwnCap: true, hasOwnRate: true });
    const limits = new LimitsInForce({ origin: busyOrigin(), capOwner: 'split', isClosed: () => true });
    limits.apply(limitsOf(rules, URL_KEY, HERE, true));
    expect(limits.allowed({ inFlight: 0, isResponsive: true }, 'queue', 0)).toBe(1);
    limits.apply(limitsOf({ [HERE]: { maxConcurrency: 4 } }, URL_KEY, HERE, true));
    expect(limits.allowed({ inFlight: 0, isResponsive: true }, 'queue', 0)).toBe(0);
  });
});

/** Four attempts are in flight. */
function busyOrigin(): Origin {
  const origin = new Origin('https://example.com', HERE);
  for (let number = 0; number < 4; number++) origin.start('origin');
  return origin;
}
