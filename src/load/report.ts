import { textTable } from '../runtime/text-table.ts';
import type { Latencies } from './histogram.ts';
import type { Totals } from './ledger.ts';
import type { SendingReport } from './run-load.ts';

/** How many ids a report lists. Further ids are only counted. */
const IDS_LISTED = 20;
const IDS_IN_JSON = 1000;

export type LoadReport = {
  /** The name of the run. It is a part of each id. */
  readonly run: string;
  readonly via: string;
  readonly seed: number;
  readonly sending: SendingReport;
  /** From the first send to the last request that came, in milliseconds. */
  readonly tookMs: number;
  readonly totals: Totals;
  /** False: nobody counts arrivals, because the endpoint is not ours. */
  readonly hasReceiver: boolean;
  /** True: a message that arrives twice is an error. */
  readonly isOnceOnly: boolean;
  readonly latencies: Latencies | null;
  readonly refusals: readonly (readonly [reason: string, count: number])[];
  /** Confirmed as stored, and not arrived. `fate`: what is known of the message; null: nothing. */
  readonly missing: readonly MissingMessage[];
  readonly unconfirmed: readonly string[];
  /** Why nothing more was expected although messages are missing; null: none is missing. */
  readonly gaveUp: string | null;
};

export type MissingMessage = { readonly id: string; readonly fate: string | null };

/**
 * Why not every message is accounted for, one sentence per reason; empty if all are: each message that was sent was either refused,
 * surely not stored, or rolled back, or arrived. Without a receiver, nothing is known of arrivals. Doubled messages are accounted for,
 * unless the run asks for once only: the service delivers at least once.
 */
export function openAccounts(report: LoadReport): string[] {
  const { totals, missing, unconfirmed, sending, hasReceiver, isOnceOnly } = report;
  const sentences: string[] = [];
  if (totals.sent === 0) sentences.push('No message was sent.');
  if (sending.stoppedBy !== null) sentences.push(`Sending stopped early: ${sending.stoppedBy}`);
  if (!hasReceiver) {
    if (unconfirmed.length > 0) sentences.push(`${counted(unconfirmed.length, 'message')} not confirmed.`);
    return sentences;
  }
  if (missing.length > 0)
    sentences.push(
      `${counted(missing.length, 'message')} ${storedWord(report)} and not delivered: ${idsOf(missing)}`,
    );
  if (unconfirmed.length > 0)
    sentences.push(
      `${counted(unconfirmed.length, 'message')} not confirmed and not delivered: ${idsOf(unconfirmed.map((id) => ({ id, fate: null })))}`,
    );
  if (totals.neverCommitted > 0)
    sentences.push(
      `${counted(totals.neverCommitted, 'message')} arrived although their transactions were rolled back.`,
    );
  const nobodys = totals.unexpected - totals.neverCommitted;
  if (nobodys > 0)
    sentences.push(`${counted(nobodys, 'message')} arrived that nobody reported as ${storedWord(report)}.`);
  if (isOnceOnly && totals.doubled > 0)
    sentences.push(
      `${counted(totals.doubled, 'message')} arrived again after the receiver had answered with a 2xx.`,
    );
  if (totals.outOfOrder > 0)
    sentences.push(`${counted(totals.outOfOrder, 'message')} arrived after a later one of the same key.`);
  return sentences;
}

/** A row of the outbox is committed; NATS stores it later. */
function storedWord({ via }: Pick<LoadReport, 'via'>): 'committed' | 'stored' {
  return via === 'outbox' ? 'committed' : 'stored';
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function idsOf(missing: readonly MissingMessage[]): string {
  const shown = missing.slice(0, IDS_LISTED).map(({ id, fate }) => (fate === null ? id : `${id} (${fate})`));
  const more = missing.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? `, and ${more} more` : ''}.`;
}

/** The table at the end of a run, as text. */
export function loadTable(report: LoadReport): string {
  const rows = rowsOf(report).map(([name, value, note]) => [name, value, note ?? '']);
  return textTable([{ name: 'load' }, { name: 'value', align: 'right' }, { name: '' }], rows);
}

type Row = readonly [name: string, value: string, note?: string];

function rowsOf(report: LoadReport): Row[] {
  const { totals, sending, hasReceiver, latencies } = report;
  const rows: Row[] = [
    ['sent', number(totals.sent)],
    [
      storedWord(report),
      number(totals.accepted),
      totals.duplicates > 0 ? `${totals.duplicates} were stored before` : '',
    ],
  ];
  if (totals.rolledBack > 0) rows.push(['rolled back', number(totals.rolledBack), 'as planned']);
  if (totals.refused > 0) rows.push(['refused', number(totals.refused), 'surely not stored']);
  if (totals.unconfirmed > 0) rows.push(['not confirmed', number(totals.unconfirmed), 'may be stored']);
  if (hasReceiver) {
    rows.push(
      ['delivered', number(totals.delivered)],
      ['doubled', number(totals.doubled)],
      ['lost', number(totals.waiting), totals.waiting > 0 ? `${storedWord(report)} and not delivered` : ''],
    );
    if (totals.failedOnPurpose > 0)
      rows.push(['answered with a failure', number(totals.failedOnPurpose), 'as the receiver was told']);
    if (totals.unexpected > 0) rows.push(['unexpected', number(totals.unexpected)]);
    if (totals.outOfOrder > 0) rows.push(['out of order', number(totals.outOfOrder)]);
  }
  rows.push(
    ['sent per second', number(perSecond(totals.sent, sending.tookMs))],
    ...(hasReceiver
      ? [['delivered per second', number(perSecond(totals.delivered, report.tookMs))] as const]
      : []),
    ['late at most', shownMs(sending.behindMs), 'behind the plan'],
  );
  if (latencies !== null)
    rows.push(
      ['p50', shownMs(latencies.p50), 'from when it was due to its receipt'],
      ['p95', shownMs(latencies.p95)],
      ['p99', shownMs(latencies.p99)],
      ['max', shownMs(latencies.max)],
    );
  return rows;
}

/** One line of JSON. An unknown figure is null. The names are a contract with other programs. */
export function loadJson(report: LoadReport): string {
  const { totals, sending, hasReceiver, latencies } = report;
  const known = (count: number) => (hasReceiver ? count : null);
  const open = openAccounts(report);
  return `${JSON.stringify({
    run: report.run,
    via: report.via,
    seed: report.seed,
    sent: totals.sent,
    stored: totals.accepted,
    duplicates: totals.duplicates,
    rolledBack: totals.rolledBack,
    refused: totals.refused,
    unconfirmed: totals.unconfirmed,
    delivered: known(totals.delivered),
    doubled: known(totals.doubled),
    lost: known(totals.waiting),
    unexpected: known(totals.unexpected),
    neverCommitted: known(totals.neverCommitted),
    outOfOrder: known(totals.outOfOrder),
    failedOnPurpose: known(totals.failedOnPurpose),
    sendingMs: Math.round(sending.tookMs),
    tookMs: Math.round(report.tookMs),
    sentPerSecond: perSecond(totals.sent, sending.tookMs),
    deliveredPerSecond: known(perSecond(totals.delivered, report.tookMs)),
    behindMs: rounded(sending.behindMs),
    latencyMs:
      latencies === null
        ? null
        : {
            p50: rounded(latencies.p50),
            p95: rounded(latencies.p95),
            p99: rounded(latencies.p99),
            max: rounded(latencies.max),
          },
    refusals: report.refusals.map(([reason, count]) => ({ reason, count })),
    missing: report.missing.slice(0, IDS_IN_JSON),
    missingUnconfirmed: report.unconfirmed.slice(0, IDS_IN_JSON),
    allAccountedFor: hasReceiver ? open.length === 0 : null,
    problems: [...open, ...(report.gaveUp === null ? [] : [report.gaveUp])],
  })}\n`;
}

/** One line while the run is under way. @param planned Null: unknown. */
export function progressLine(
  totals: Totals,
  { planned, perSecond: rate, p99 }: { planned: number | null; perSecond: number; p99: number | null },
  hasReceiver: boolean,
): string {
  const of = planned === null ? '' : ` of ${number(planned)}`;
  const parts = [`sent ${number(totals.sent)}${of}`, `${number(rate)} per second`];
  if (totals.rolledBack > 0) parts.push(`${number(totals.rolledBack)} rolled back`);
  if (totals.refused > 0) parts.push(`${number(totals.refused)} refused`);
  if (totals.unconfirmed > 0) parts.push(`${number(totals.unconfirmed)} not confirmed`);
  if (hasReceiver) {
    parts.push(`delivered ${number(totals.delivered)}`, `${number(totals.waiting)} under way`);
    if (totals.doubled > 0) parts.push(`${number(totals.doubled)} doubled`);
    if (p99 !== null) parts.push(`p99 ${shownMs(p99)}`);
  }
  return parts.join(', ');
}

function perSecond(count: number, tookMs: number): number {
  return tookMs <= 0 ? 0 : Math.round((count / tookMs) * 1000);
}

/** 40000 as `40 000`, as in the manual. */
function number(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

function shownMs(ms: number): string {
  return ms < 10_000 ? `${rounded(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function rounded(ms: number): number {
  return ms < 100 ? Math.round(ms * 10) / 10 : Math.round(ms);
}
