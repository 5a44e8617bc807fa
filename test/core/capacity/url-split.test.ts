import { describe, expect, it } from 'vitest';
import { FailureRun } from '../../../src/core/capacity/failure-run.ts';
import {
  isMergedAgain,
  isSplitOff,
  MAX_SPLIT,
  UrlRecords,
  UrlSuccesses,
} from '../../../src/core/capacity/url-split.ts';

const silentAttempts = (count: number) => new Set(Array(count).keys());

const NEVER = Number.NEGATIVE_INFINITY;

describe('a URL is split off', () => {
  it.each([
    // failures in a row, silent first attempts, may have succeeded, another URL succeeded ms ago, split off
    ['3 failures of a URL at an origin that never succeeded before', 3, 0, false, 0, true],
    ['2 failures of it', 2, 0, false, 0, false],
    ['10 failures of a URL that may have succeeded', 10, 0, true, 0, true],
    ['9 failures of it', 9, 0, true, 0, false],
    ['3 silent first attempts', 0, 3, true, 0, true],
    ['2 silent first attempts', 0, 2, true, 0, false],
    ['failures while the other URL succeeded 10 s ago', 10, 0, true, 10_000, true],
    ['failures while the other URL succeeded longer ago', 10, 0, true, 10_001, false],
    ['silence while no other URL ever succeeded', 0, 3, true, Number.POSITIVE_INFINITY, false],
  ])('or not, after %s', (_, failures, silent, mayHaveSucceeded, agoMs, expected) => {
    const run = new FailureRun(mayHaveSucceeded);
    for (let number = 1; number <= failures; number++) run.onFailure(number);
    expect(isSplitOff({ run, silent: silentAttempts(silent) }, 3, 50_000 - agoMs, 50_000)).toBe(expected);
  });

  it.each([
    [60_000, false],
    [60_001, true],
  ])('and merges again after 60 s without trouble: %d ms', (ms, expected) => {
    expect(isMergedAgain(1000, 1000 + ms)).toBe(expected);
  });
});

describe('the last success of another URL', () => {
  it.each([
    ['none', [], NEVER],
    ['only the URL itself succeeded', ['a', 'a'], NEVER],
    ['another one did before it', ['b', 'a', 'a'], 1],
    ['another one did after it', ['a', 'b', 'b'], 3],
    ['two others did', ['b', 'c', 'a'], 2],
    ['in turn', ['a', 'b', 'a', 'b', 'a'], 4],
  ])('%s', (_, urls, expected) => {
    const successes = new UrlSuccesses();
    for (const [index, url] of urls.entries()) successes.note(url, index + 1);
    expect(successes.ofOthers('a')).toBe(expected);
  });
});

describe('records of URLs that fail', () => {
  it('are kept per origin up to a bound, those that failed last', () => {
    const records = new UrlRecords();
    records.ensure('quiet', 'u', false, 0);
    const first = records.ensure('o', 'first', false, 0);
    for (let number = 0; number < 10_000; number++) {
      records.ensure('o', `u${number}`, false, 0);
      if (number % 10 === 0) records.ensure('o', 'first', false, 0);
    }
    expect(records.size).toBe(1 + MAX_SPLIT.ofOrigin);
    expect(records.get('o', 'first', 0)).toBe(first);
    expect(records.get('o', 'u0', 0)).toBeUndefined();
    expect(records.get('quiet', 'u', 0)).toBeDefined();
  });

  it('are kept per worker up to a bound, those of the origins that failed last', () => {
    const records = new UrlRecords();
    for (let number = 0; number < 100_000; number++)
      records.ensure(`o${number >> 4}`, `u${number}`, false, 0);
    expect(records.size).toBe(MAX_SPLIT.ofWorker);
    expect(records.get('o0', 'u0', 0)).toBeUndefined();
    expect(records.get('o6249', 'u99999', 0)).toBeDefined();
  });

  it('are forgotten a minute after the last failure, so that healthy URLs cost nothing again', () => {
    const records = new UrlRecords();
    records.ensure('o', 'a', false, 0);
    records.ensure('o', 'b', false, 30_000);
    expect(records.get('o', 'healthy', 60_000)).toBeUndefined();
    expect(records.size).toBe(2);
    records.get('o', 'healthy', 60_001);
    expect(records.size).toBe(1);
    records.get('o', 'healthy', 90_001);
    expect(records.size).toBe(0);
  });

  it('of an origin that is forgotten are deleted', () => {
    const records = new UrlRecords();
    for (const origin of ['a', 'b']) for (const url of ['/1', '/2']) records.ensure(origin, url, true, 0);
    records.deleteOrigin('a');
    records.deleteOrigin('unknown');
    expect(records.size).toBe(2);
    expect([records.get('a', '/1', 0), records.get('b', '/1', 0)]).toEqual([undefined, expect.anything()]);
  });
});
