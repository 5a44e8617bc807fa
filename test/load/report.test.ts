import { describe, expect, test } from 'vitest';
import { type LoadReport, loadJson, loadTable, openAccounts, progressLine } from '../../src/load/report.ts';

const TOTALS = {
  sent: 40_000,
  accepted: 40_000,
  duplicates: 0,
  rolledBack: 0,
  neverCommitted: 0,
  refused: 0,
  unconfirmed: 0,
  delivered: 40_000,
  waiting: 0,
  doubled: 0,
  failedOnPurpose: 0,
  unexpected: 0,
  outOfOrder: 0,
};

const REPORT: LoadReport = {
  run: 'a1',
  via: 'nats',
  seed: 7,
  sending: { tookMs: 20_000, behindMs: 3.21, stoppedBy: null },
  tookMs: 20_010,
  totals: TOTALS,
  hasReceiver: true,
  isOnceOnly: false,
  latencies: { p50: 2.04, p95: 7.5, p99: 12.3, max: 61.9 },
  refusals: [],
  missing: [],
  unconfirmed: [],
  gaveUp: null,
};

const withTotals = (totals: Partial<LoadReport['totals']>, rest: Partial<LoadReport> = {}): LoadReport => ({
  ...REPORT,
  ...rest,
  totals: { ...TOTALS, ...totals },
});

describe('what is accounted for', () => {
  test.each<[string, LoadReport]>([
    ['a run whose messages all arrived', REPORT],
    ['a message that was refused', withTotals({ accepted: 39_999, delivered: 39_999, refused: 1 })],
    ['a message that arrived twice', withTotals({ doubled: 1 })],
    [
      'transactions that were rolled back, whose messages did not arrive',
      withTotals({ accepted: 30_000, delivered: 30_000, rolledBack: 10_000 }, { via: 'outbox' }),
    ],
  ])('%s', (_name, report) => {
    expect(openAccounts(report)).toEqual([]);
  });

  const missing = Array.from({ length: 22 }, (_, index) => ({
    id: `load-a1-${index + 1}`,
    fate: index === 0 ? 'dead letter exhausted: status 500' : null,
  }));

  test.each<[string, LoadReport, RegExp]>([
    [
      'missing messages, of which 20 are named, with what is known of them',
      withTotals({ waiting: 22 }, { missing }),
      /^22 messages stored and not delivered: load-a1-1 \(dead letter exhausted: status 500\), load-a1-2, .*load-a1-20, and 2 more\.$/,
    ],
    [
      'missing messages that were committed',
      withTotals(
        { waiting: 1 },
        { via: 'outbox', missing: [{ id: 'load-a1-1', fate: 'row of the outbox' }] },
      ),
      /^1 message committed and not delivered: load-a1-1 \(row of the outbox\)\.$/,
    ],
    [
      'a message of a transaction that was rolled back',
      withTotals({ unexpected: 2, neverCommitted: 2 }, { via: 'outbox' }),
      /^2 messages arrived although their transactions were rolled back\.$/,
    ],
    [
      'a message that arrived twice, where each must arrive once',
      withTotals({ doubled: 1 }, { isOnceOnly: true }),
      /^1 message arrived again after the receiver had answered with a 2xx\.$/,
    ],
    [
      'a message that nobody confirmed',
      withTotals({ unconfirmed: 1 }, { unconfirmed: ['load-a1-9'] }),
      /^1 message not confirmed and not delivered: load-a1-9\.$/,
    ],
    [
      'an unexpected message',
      withTotals({ unexpected: 1 }),
      /^1 message arrived that nobody reported as stored/,
    ],
    ['a message out of order', withTotals({ outOfOrder: 2 }), /^2 messages arrived after a later one/],
    ['a run without a message', withTotals({ sent: 0, accepted: 0, delivered: 0 }), /^No message was sent/],
    [
      'a run that stopped early',
      withTotals({}, { sending: { tookMs: 1, behindMs: 0, stoppedBy: 'no stream' } }),
      /^Sending stopped early: no stream/,
    ],
  ])('is not %s', (_name, report, sentence) => {
    expect(openAccounts(report)).toEqual([expect.stringMatching(sentence)]);
  });
});

test('the table shows what was sent and what arrived', () => {
  expect(loadTable(REPORT)).toBe(`\
         load         |  value  |
----------------------+---------+-------------------------------------
 sent                 |  40 000 |
 stored               |  40 000 |
 delivered            |  40 000 |
 doubled              |       0 |
 lost                 |       0 |
 sent per second      |   2 000 |
 delivered per second |   1 999 |
 late at most         |  3.2 ms | behind the plan
 p50                  |    2 ms | from when it was due to its receipt
 p95                  |  7.5 ms |
 p99                  | 12.3 ms |
 max                  | 61.9 ms |
`);
});

test('without a receiver, nothing is said of arrivals', () => {
  const report = withTotals({ delivered: 0, waiting: 40_000 }, { hasReceiver: false, latencies: null });
  expect(loadTable(report)).not.toMatch(/delivered|lost|p50/);
  expect(JSON.parse(loadJson(report))).toMatchObject({
    delivered: null,
    lost: null,
    allAccountedFor: null,
    problems: [],
  });
});

test('the JSON has the same figures, in one line', () => {
  const json = loadJson(REPORT);
  expect(json).toMatch(/^\{[^\n]*\}\n$/);
  expect(JSON.parse(json)).toMatchObject({
    sent: 40_000,
    stored: 40_000,
    delivered: 40_000,
    doubled: 0,
    lost: 0,
    sentPerSecond: 2000,
    latencyMs: { p50: 2, p95: 7.5, p99: 12.3, max: 61.9 },
    missing: [],
    allAccountedFor: true,
    problems: [],
  });
});

test('the progress line shows what is under way', () => {
  const totals = { ...TOTALS, sent: 12_000, accepted: 12_000, delivered: 11_990, waiting: 10 };
  expect(progressLine(totals, { planned: 40_000, perSecond: 2000, p99: 8 }, true)).toBe(
    'sent 12 000 of 40 000, 2 000 per second, delivered 11 990, 10 under way, p99 8 ms',
  );
});
