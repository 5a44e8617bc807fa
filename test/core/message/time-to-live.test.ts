import { describe, expect, it } from 'vitest';
import { hasTimeToLive, timeToLive } from '../../../src/core/message/time-to-live.ts';

const withTtl = (value?: string) => ({
  header: (name: string) => (name === 'Nats-TTL' ? value : undefined),
});

describe('Nats-TTL', () => {
  it.each<[string, number]>([
    ['3', 3000],
    ['007', 7000],
    ['3s', 3000],
    [' 3s ', 3000],
    ['+3s', 3000],
    ['1h30m', 5_400_000],
    ['1500ms', 1000],
    ['1.9s', 1000],
    ['.5h', 1_800_000],
    ['1m0.5s', 60_000],
    ['2000000us', 2000],
    ['2000000µs', 2000],
    ['2000000000ns', 2000],
  ])('%j is %d ms, as nats-server reads it', (value, expected) => {
    expect(timeToLive(withTtl(value))).toBe(expected);
    expect(hasTimeToLive(withTtl(value))).toBe(true);
  });

  it.each([undefined, '', ' ', 'never', 'NEVER'])('%j sets no end', (value) => {
    expect(timeToLive(withTtl(value))).toBe(null);
    expect(hasTimeToLive(withTtl(value))).toBe(false);
  });

  // nats-server 2.14 answers "invalid per-message TTL" to each of these.
  it.each([
    '0',
    '0s',
    '500ms',
    '-1',
    '-3s',
    '+5',
    '3 s',
    '3S',
    '1d',
    '1e3',
    '0x10',
    '1_000',
    's',
    '.s',
    'soon',
  ])('%j is wrong', (value) => {
    expect(timeToLive(withTtl(value))).toEqual({
      problem: expect.stringMatching(/^the NATS header Nats-TTL is not a time to live: give .* or never$/),
    });
    expect(hasTimeToLive(withTtl(value))).toBe(false);
  });
});
