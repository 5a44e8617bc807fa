import { describeEarlyEnd, type EarlyEnds } from '../../core/endpoint/early-ends.ts';
import { describeDifference } from '../../core/records/worker-instance.ts';
import type { ConsumerStats } from '../../postgres/tables/consumer-stats-table.ts';
import { type Column, textTable } from '../../runtime/text-table.ts';
import { ago } from './ago.ts';
import { endpointLines } from './endpoints-view.ts';
import type { Snapshot } from './sources.ts';

const COLUMNS: readonly Column[] = [
  { name: 'worker' },
  { name: 'active' },
  ...[
    'settled',
    'acknowledged',
    'retried',
    'dead letters',
    'parked',
    'redelivered',
    'avg ms',
    'last active',
  ].map((name) => ({ name, align: 'right' as const })),
];

/** Returns the output of `stats`: one row per worker, then the waiting messages of the group, then what is wrong. */
export function statsView(
  {
    rows,
    endpoints,
    differing,
    early,
    group,
    findings,
    parked,
    scheduled,
    ordered,
    deadLetters,
    outbox,
  }: Snapshot,
  now: Date,
): string {
  const lines = typeof rows === 'string' ? [rows] : rowLines(rows, now);
  if (typeof group === 'string') {
    lines.push(group);
  } else {
    lines.push(
      `${group.pending} pending, ${group.ackPending} in flight or waiting for a retry, ` +
        `${parked ?? 'none'} parked, ${scheduled ?? 'none'} scheduled, ${ordered ?? 'none'} ordered, ` +
        `${deadLetters ?? 'no'} dead letters`,
    );
  }
  lines.push(...outboxLines(outbox, now));
  for (const { sentence, isProblem } of findings)
    lines.push(`${isProblem ? 'problem' : 'notice'}: ${sentence}`);
  if (typeof differing === 'string') lines.push(differing);
  else lines.push(...differing.map((one) => `the workers of the group differ in ${describeDifference(one)}`));
  lines.push(...earlyLines(early));
  if (typeof endpoints === 'string') lines.push(endpoints);
  else lines.push(...endpointLines(endpoints, now));
  return `${lines.join('\n')}\n`;
}

/** None for an outbox that nobody uses. */
function outboxLines(outbox: Snapshot['outbox'], now: Date): string[] {
  if (typeof outbox === 'string') return [outbox];
  const { waiting, failed, oldestAgeMs } = outbox;
  if (waiting === 0 && failed === 0) return [];
  const since =
    oldestAgeMs === null ? '' : `, the oldest enqueued ${ago(now, new Date(now.getTime() - oldestAgeMs))}`;
  return [`outbox: ${waiting} waiting${since}${failed > 0 ? `, ${failed} that NATS refuses` : ''}`];
}

/** The lines for retry policies that give up within an hour. */
function earlyLines({ shown, more }: EarlyEnds): string[] {
  if (shown.length === 0) return [];
  const named = shown.map(describeEarlyEnd).join('; ');
  return [`gives up within an hour: ${named}${more > 0 ? `; and ${more} more rows` : ''}`];
}

function rowLines(rows: readonly ConsumerStats[], now: Date): string[] {
  if (rows.length === 0) return ['No worker has written statistics for this stream yet.'];
  const cells = rows.map((row) => [
    row.consumerName,
    row.active ? 'yes' : 'no',
    ...countsOf(row),
    row.avgProcessingMs === null ? null : Number(row.avgProcessingMs).toFixed(1),
    row.lastActiveAt === null ? null : ago(now, row.lastActiveAt),
  ]);
  if (rows.length > 1) cells.push(['all', null, ...countsOf(sumOf(rows)), null, null]);
  const lines = [textTable(COLUMNS, cells).trimEnd()];
  const discarded = rows.reduce((sum, row) => sum + row.discarded, 0);
  if (discarded > 0)
    lines.push(`${discarded} discarded: no row accepts their event type, or they are delete markers of NATS`);
  const dropped = rows.reduce((sum, row) => sum + row.rowsDropped, 0);
  if (dropped > 0)
    lines.push(`${dropped} rows were dropped: PostgreSQL was away for too long, or refused them`);
  return lines;
}

type Counts = Pick<
  ConsumerStats,
  'settled' | 'acknowledged' | 'retried' | 'deadLettered' | 'parked' | 'redelivered'
>;

function countsOf(counts: Counts): string[] {
  const { settled, acknowledged, retried, deadLettered, parked, redelivered } = counts;
  return [settled, acknowledged, retried, deadLettered, parked, redelivered].map(String);
}

function sumOf(rows: readonly ConsumerStats[]): Counts {
  const sum = (name: keyof Counts) => rows.reduce((total, row) => total + row[name], 0);
  return {
    settled: sum('settled'),
    acknowledged: sum('acknowledged'),
    retried: sum('retried'),
    deadLettered: sum('deadLettered'),
    parked: sum('parked'),
    redelivered: sum('redelivered'),
  };
}
