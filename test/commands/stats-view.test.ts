import { expect, test } from 'vitest';
import type { Snapshot } from '../../src/commands/stats/sources.ts';
import { statsView } from '../../src/commands/stats/view.ts';
import type { Finding } from '../../src/nats/findings/finding.ts';
import type { ConsumerStats } from '../../src/postgres/tables/consumer-stats-table.ts';

const NOW = new Date('2027-01-31T12:00:00Z');

const WORKER: ConsumerStats = {
  consumerName: 'webhook-worker-1',
  queueGroup: 'webhook-workers',
  settled: 3,
  acknowledged: 2,
  retried: 1,
  deadLettered: 0,
  redelivered: 0,
  requeued: 0,
  parked: 5,
  discarded: 0,
  attempts: 3,
  rowsDropped: 0,
  pending: 0,
  avgProcessingMs: 12,
  lastActiveAt: NOW,
  active: true,
};

const linesWith = (findings: readonly Finding[], ...rows: ConsumerStats[]) =>
  linesOfSnapshot({ findings, rows });
const linesOfSnapshot = ({ findings = [], rows = [], ...more }: Partial<Snapshot>) =>
  statsView(
    {
      rows,
      endpoints: { endpoints: [], total: 0 },
      group: 'NATS cannot be reached',
      findings,
      differing: [],
      early: { shown: [], more: 0 },
      parked: null,
      scheduled: null,
      ordered: null,
      deadLetters: null,
      outbox: { waiting: 0, failed: 0, oldestAgeMs: null },
      ...more,
    },
    NOW,
  ).split('\n');
const linesOf = (...rows: ConsumerStats[]) => linesWith([], ...rows);

test('stats shows the discarded messages of all workers on one line, with the reason', () => {
  expect(linesOf({ ...WORKER, discarded: 2 }, { ...WORKER, discarded: 5 })).toContain(
    '7 discarded: no row accepts their event type, or they are delete markers of NATS',
  );
});

test('stats shows no line about discarded messages if there are none', () => {
  expect(linesOf(WORKER).join('\n')).not.toContain('discarded');
});

test('stats calls no count delivered that retries and dead letters are in', () => {
  const [header] = linesOf(WORKER);
  expect(header!.split('|').map((name) => name.trim())).toEqual([
    'worker',
    'active',
    'settled',
    'acknowledged',
    'retried',
    'dead letters',
    'parked',
    'redelivered',
    'avg ms',
    'last active',
  ]);
});

test('stats shows what configurations mean for deliveries, one line each', () => {
  const findings = [
    { sentence: 'The durable webhook-workers is paused.', isProblem: true },
    { sentence: 'The stream WEBHOOKS is a mirror.', isProblem: false },
  ];
  expect(linesWith(findings, WORKER)).toEqual(
    expect.arrayContaining([
      'problem: The durable webhook-workers is paused.',
      'notice: The stream WEBHOOKS is a mirror.',
    ]),
  );
});

test.each<[Snapshot['outbox'], RegExp | null]>([
  [{ waiting: 0, failed: 0, oldestAgeMs: null }, null],
  [{ waiting: 3, failed: 0, oldestAgeMs: 12_400 }, /^outbox: 3 waiting, the oldest enqueued 12 s ago$/m],
  [{ waiting: 0, failed: 2, oldestAgeMs: null }, /^outbox: 0 waiting, 2 that NATS refuses$/m],
  ['The outbox cannot be shown: permission denied', /^The outbox cannot be shown/m],
])('stats shows the outbox %j as %s', (outbox, line) => {
  const shown = linesOfSnapshot({ rows: [WORKER], outbox }).join('\n');
  if (line === null) expect(shown).not.toContain('outbox');
  else expect(shown).toMatch(line);
});
