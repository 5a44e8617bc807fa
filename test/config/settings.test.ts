import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { settingsFrom, specifications } from '../../src/config/settings.ts';
import { UserError } from '../../src/runtime/failure.ts';

type Given = Record<string, string | undefined>;

/** The lines of the error, one per problem. */
function problemsOf(given: Given): string[] {
  try {
    settingsFrom(given);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.exitCode).toBe(1);
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

type Name = keyof typeof specifications;

const names = Object.keys(specifications) as Name[];

/** The value of a setting that is not set. test/architecture/docs.test.ts checks that `.env` shows the same. */
function defaultOf(name: Name): unknown {
  if (name === 'DLQ_STREAM_NAME') return 'WEBHOOKS_DLQ';
  if (name === 'PARKED_STREAM_NAME') return 'WEBHOOKS_PARKED';
  if (name === 'ORDERED_STREAM_NAME') return 'WEBHOOKS_ORDERED';
  if (name === 'ORDERED_SUBJECT') return ['webhooks.ordered.*'];
  return specifications[name].default;
}

describe('a setting that is not set', () => {
  it.each(names)('%s has its default', (name) => {
    expect(settingsFrom({})[name]).toEqual(defaultOf(name));
  });

  it.each(names)('%s counts as not set if it is empty or blank', (name) => {
    for (const blank of ['', '  ', undefined]) {
      const settings = settingsFrom({ [name]: blank });
      expect(settings[name]).toEqual(defaultOf(name));
      expect(settings.isSet(name)).toBe(false);
    }
  });

  it('CONSUMER_NAME contains the name of the machine', () => {
    expect(settingsFrom({}).CONSUMER_NAME).toBe(`webhook-worker-${hostname()}`);
  });
});

const GIVEN: [name: Name, text: string, value: unknown][] = [
  ['NATS_URL', 'nats://a:4222, tls://b', ['nats://a:4222', 'tls://b']],
  ['NATS_URL', 'host:4222,', ['host:4222']],
  ['NATS_USER', 'worker', 'worker'],
  ['DATABASE_URL', 'postgres://u:p@h:5432/d?sslmode=require', 'postgres://u:p@h:5432/d?sslmode=require'],
  ['DATABASE_POOL_SIZE', ' 7 ', 7],
  ['SUBJECT', 'webhooks.>, orders.*.created', ['webhooks.>', 'orders.*.created']],
  ['CONCURRENCY', '1', 1],
  ['CONCURRENCY', '10000', 10_000],
  ['START_FROM', 'new', 'new'],
  ['START_FROM', '2026-01-31T12:00:00+01:00', '2026-01-31T11:00:00.000Z'],
  ['START_FROM', '2026-01-31', '2026-01-31T00:00:00.000Z'],
  ['TERMINAL_STATUSES', '400, 404 ,', [400, 404]],
  ['ALLOWED_PRIVATE_CIDRS', '10.1.0.0/16,::1/128', ['10.1.0.0/16', '::1/128']],
  ['RETRY_AFTER_MAX_MS', '0', 0],
  ['ATTEMPT_TIMEOUT_MS', '25s', 25_000],
  ['ATTEMPT_TIMEOUT_MS', ' 500ms ', 500],
  ['BACKOFF_BASE_MS', '1.1s', 1100],
  ['BACKOFF_BASE_MS', '1000', 1000],
  ['BACKOFF_MAX_MS', '5m', 300_000],
  ['BACKOFF_MAX_MS', '1d', 86_400_000],
  ['ACK_WAIT_MS', '1h', 3_600_000],
  ['MAX_AGE_HOURS', '0.5', 0.5],
  ['MAX_AGE_HOURS', '30m', 0.5],
  ['MAX_AGE_HOURS', '3d', 72],
  ['MAX_AGE_HOURS', '0', 0],
  ['DISABLE_AFTER_HOURS', '5d', 120],
  ['DISABLE_AFTER_HOURS', '48', 48],
  ['ATTEMPT_RETENTION_DAYS', '48h', 2],
  ['ATTEMPT_RETENTION_DAYS', '7d', 7],
  ['ENDPOINT_CONCURRENCY', '1', 1],
  ['ENDPOINT_RATE_LIMIT', '0.1', 0.1],
  ['ENDPOINT_RATE_LIMIT', '100000', 100_000],
  ['ENDPOINT_KEY', 'url', 'url'],
  ['PARK_AFTER_MS', '10', 10],
  ['MAX_OPEN_QUEUES', '1', 1],
  ['PARKED_STREAM_NAME', 'WAITING', 'WAITING'],
  ['ORDERED_STREAM_NAME', 'IN_ORDER', 'IN_ORDER'],
  ['ORDERED_SUBJECT', 'orders.>, events.*', ['orders.>', 'events.*']],
  ['ORDERED_SUBJECT', 'off', []],
  ['HTTP_PORT', '0', 0],
  ['ATTEMPT_LOG', 'failures', 'failures'],
  ['LOG_FORMAT', 'logfmt', 'logfmt'],
];

describe('a setting that is set', () => {
  it.each(GIVEN)('%s=%s is read as %j', (name, text, value) => {
    const settings = settingsFrom({ [name]: text });
    expect(settings[name]).toEqual(value);
    expect(settings.isSet(name)).toBe(true);
  });

  it.each([
    ['DLQ_STREAM_NAME', 'ORDERS_DLQ'],
    ['PARKED_STREAM_NAME', 'ORDERS_PARKED'],
  ] as const)('%s is derived from STREAM_NAME (%s) unless it is set itself', (name, derived) => {
    expect(settingsFrom({ STREAM_NAME: 'ORDERS' })[name]).toBe(derived);
    expect(settingsFrom({ STREAM_NAME: 'ORDERS', [name]: 'MINE' })[name]).toBe('MINE');
  });

  it('is ignored if no setting has its name', () => {
    expect(problemsOf({ PATH: '/bin', NATS_UR: 'x' })).toEqual([]);
  });
});

describe('BATCH_SIZE', () => {
  it.each([
    { given: { BATCH_SIZE: '50' }, slots: 50, batch: 50 },
    { given: { CONCURRENCY: '10' }, slots: 10, batch: undefined },
    { given: { BATCH_SIZE: '50', CONCURRENCY: '10' }, slots: 10, batch: 50 },
    { given: { BATCH_SIZE: '50', CONCURRENCY: '' }, slots: 50, batch: 50 },
    { given: { BATCH_SIZE: '50', CONCURRENCY: '256' }, slots: 256, batch: 50 },
  ])('with CONCURRENCY, as in $given, results in $slots slots', ({ given, slots, batch }) => {
    expect(settingsFrom(given)).toMatchObject({ CONCURRENCY: slots, BATCH_SIZE: batch });
  });
});

const WRONG: [name: Name, text: string][] = [
  ['EGRESS_PROXY', 'http://ann:%zz@proxy:3128'],
  ['EGRESS_PROXY', 'http://proxy:3128/path'],
  ['NATS_URL', 'http://localhost:4222'],
  ['NATS_URL', ','],
  ['NATS_USER', 'a\nb'],
  ['DATABASE_URL', 'localhost/postgres'],
  ['DATABASE_POOL_SIZE', '0'],
  ['STREAM_NAME', 'web.hooks'],
  ['CONSUMER_NAME', 'a\0b'],
  ['QUEUE_GROUP', 'a b'],
  ['SUBJECT', 'webhooks..a'],
  ['SUBJECT', 'webhooks.>.a'],
  ['SUBJECT', 'web*'],
  ['SUBJECT', ','],
  ['CONCURRENCY', '10001'],
  ['CONCURRENCY', '-1'],
  ['CONCURRENCY', '1e3'],
  ['CONCURRENCY', '0x10'],
  ['CONCURRENCY', '10.5'],
  ['BATCH_SIZE', 'many'],
  ['ACK_WAIT_MS', '999'],
  ['ACK_WAIT_MS', '0.9s'],
  ['ACK_WAIT_MS', '2h'],
  ['BACKOFF_BASE_MS', '0.5ms'],
  ['BACKOFF_BASE_MS', '5 s'],
  ['BACKOFF_BASE_MS', '5sec'],
  ['BACKOFF_BASE_MS', '5S'],
  ['BACKOFF_BASE_MS', '-5s'],
  ['BACKOFF_BASE_MS', 's'],
  ['BACKOFF_BASE_MS', '1h30m'],
  ['MAX_AGE_HOURS', '1w'],
  ['DISABLE_AFTER_HOURS', '90m'],
  ['ATTEMPT_RETENTION_DAYS', '36h'],
  ['ATTEMPT_RETENTION_DAYS', '0h'],
  ['START_FROM', 'yesterday'],
  ['START_FROM', '12'],
  ['DLQ_STREAM_NAME', 'a>b'],
  ['MAX_ATTEMPTS', '0'],
  ['ENDPOINT_CONCURRENCY', '0'],
  ['ENDPOINT_CONCURRENCY', '1.5'],
  ['ENDPOINT_RATE_LIMIT', '0'],
  ['ENDPOINT_RATE_LIMIT', '-1'],
  ['ENDPOINT_RATE_LIMIT', '10/s'],
  ['ENDPOINT_RATE_LIMIT', '1e3'],
  ['ENDPOINT_KEY', 'host'],
  ['PARK_AFTER_MS', '9'],
  ['MAX_OPEN_QUEUES', '0'],
  ['PARKED_STREAM_NAME', 'a.b'],
  ['TERMINAL_STATUSES', '200'],
  ['TERMINAL_STATUSES', '400,4xx'],
  ['ALLOWED_PRIVATE_CIDRS', '10.0.0.0/33'],
  ['ALLOWED_PRIVATE_CIDRS', 'localhost'],
  ['ATTEMPT_LOG', 'some'],
  ['LOG_LEVEL', 'loud'],
  ['LOG_FORMAT', 'xml'],
  ['HTTP_PORT', '65536'],
];

describe('a setting with a wrong value', () => {
  it.each(WRONG)('%s=%j is named in one line of the error', (name, text) => {
    expect(problemsOf({ [name]: text })).toEqual([expect.stringMatching(new RegExp(`^${name}: .{10,}`))]);
  });

  it.each(
    names.filter((name) => /_(MS|HOURS|DAYS)$/.test(name)),
  )('%s has an error that says how to write a duration', (name) => {
    expect(problemsOf({ [name]: '5 parsecs' })).toEqual([
      expect.stringMatching(
        new RegExp(
          `^${name}: "5 parsecs" is not a duration from \\d+ to \\d+ (milliseconds|hours|days); write a number of \\1, or one with its unit: 500ms, 2s, 5m, 1h, 1d$`,
        ),
      ),
    ]);
  });

  it('is named together with all others', () => {
    const problems = problemsOf({ CONCURRENCY: 'x', SUBJECT: '..', LOG_LEVEL: 'y', DATABASE_URL: 'z' });
    expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
      'CONCURRENCY',
      'DATABASE_URL',
      'LOG_LEVEL',
      'SUBJECT',
    ]);
  });

  it.each([
    'NATS_URL',
    'DATABASE_URL',
  ])('%s is not quoted, since its value may contain a password', (name) => {
    expect(problemsOf({ [name]: 'http://user:hunter2@host' }).join()).not.toContain('hunter2');
  });
});

const CONTRADICTIONS: [given: Given, names: RegExp][] = [
  [{ ACK_WAIT_MS: '59999' }, /^ACK_WAIT_MS: .*ATTEMPT_TIMEOUT_MS.*set ACK_WAIT_MS=60000/],
  [{ ATTEMPT_TIMEOUT_MS: '30001' }, /^ACK_WAIT_MS: .*ATTEMPT_TIMEOUT_MS/],
  [{ BACKOFF_BASE_MS: '2000', BACKOFF_MAX_MS: '1999' }, /^BACKOFF_MAX_MS: .*BACKOFF_BASE_MS/],
  [{ NATS_PASS: 'x' }, /^NATS_PASS: .*NATS_USER/],
  [{ DLQ_STREAM_NAME: 'WEBHOOKS' }, /^DLQ_STREAM_NAME: .*STREAM_NAME/],
  [{ PARKED_STREAM_NAME: 'WEBHOOKS' }, /^PARKED_STREAM_NAME: must not be STREAM_NAME/],
  [{ PARKED_STREAM_NAME: 'WEBHOOKS_DLQ' }, /^PARKED_STREAM_NAME: must not be DLQ_STREAM_NAME/],
  [{ DLQ_STREAM_NAME: 'WEBHOOKS_PARKED' }, /^PARKED_STREAM_NAME: must not be DLQ_STREAM_NAME/],
  [
    { ORDERED_STREAM_NAME: 'WEBHOOKS_DLQ' },
    /^ORDERED_STREAM_NAME: must not be DLQ_STREAM_NAME; .* <STREAM_NAME>_ORDERED/,
  ],
];

describe('the default of ORDERED_SUBJECT', () => {
  it.each([
    ['webhooks.*', ['webhooks.ordered.*']],
    ['webhooks.>', ['webhooks.ordered.*']],
    ['webhooks.orders,webhooks.users', ['webhooks.ordered.*']],
    ['a.*.x,b.*', ['a.*.ordered.*', 'b.ordered.*']],
    ['orders', []],
  ])('with SUBJECT=%s is %j', (SUBJECT, ordered) => {
    expect(settingsFrom({ SUBJECT }).ORDERED_SUBJECT).toEqual(ordered);
  });
});

describe('settings that contradict each other', () => {
  it.each([
    { STREAM_NAME: 'a.b' },
    { ATTEMPT_TIMEOUT_MS: 'x' },
    { NATS_PASS: 'x', NATS_USER: 'a\nb' },
  ])('are not reported if one of them is wrong by itself, as in %j', (given) => {
    expect(problemsOf(given)).toHaveLength(1);
  });

  it.each(CONTRADICTIONS)('%j are named in the error', (given, problem) => {
    expect(problemsOf(given)).toEqual([expect.stringMatching(problem)]);
  });

  it('are all named at once', () => {
    const given = { ACK_WAIT_MS: '1000', NATS_PASS: 'x', DLQ_STREAM_NAME: 'WEBHOOKS' };
    expect(problemsOf(given)).toHaveLength(3);
  });

  it('are named together with wrong values', () => {
    expect(problemsOf({ ACK_WAIT_MS: '1000', CONCURRENCY: 'x' }).map((line) => line.split(':')[0])).toEqual([
      'CONCURRENCY',
      'ACK_WAIT_MS',
    ]);
  });
});
