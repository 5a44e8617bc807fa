import { describe, expect, test } from 'vitest';
import { Ledger, type SendResult } from '../../src/load/ledger.ts';

const accepted = (id: string): SendResult => ({ kind: 'accepted', id, duplicate: false });
const unconfirmed = (id: string): SendResult => ({ kind: 'unconfirmed', id, reason: 'no answer' });
const refused = (reason: string): SendResult => ({ kind: 'refused', reason, endsRun: false });

describe('a ledger', () => {
  test('counts a message as delivered, from when it was due', () => {
    const ledger = new Ledger();
    ledger.sent(10, accepted('a'));
    ledger.arrived('a', 35, 200);
    expect(ledger.totals()).toMatchObject({ sent: 1, accepted: 1, delivered: 1, waiting: 0, doubled: 0 });
    expect(ledger.latencies()!.max).toBe(25);
  });

  test('counts a message that arrives before its confirmation', () => {
    const ledger = new Ledger();
    ledger.arrived('a', 35, 200);
    expect(ledger.totals().unexpected).toBe(1);
    ledger.sent(10, accepted('a'));
    expect(ledger.totals()).toMatchObject({ delivered: 1, waiting: 0, unexpected: 0 });
    expect(ledger.latencies()!.max).toBe(25);
  });

  test('lists what was confirmed and has not arrived', () => {
    const ledger = new Ledger();
    for (const id of ['a', 'b', 'c']) ledger.sent(0, accepted(id));
    ledger.arrived('b', 1, 200);
    expect(ledger.missing()).toEqual(['a', 'c']);
    expect(ledger.totals()).toMatchObject({ delivered: 1, waiting: 2 });
  });

  test('counts each further arrival as doubled, and its latency once', () => {
    const ledger = new Ledger();
    ledger.sent(0, accepted('a'));
    for (const at of [5, 6, 7]) ledger.arrived('a', at, 204);
    expect(ledger.totals()).toMatchObject({ delivered: 1, doubled: 2 });
    expect(ledger.latencies()!.max).toBe(5);
  });

  test('a message that the receiver failed is delivered by the attempt that succeeds', () => {
    const ledger = new Ledger();
    ledger.sent(0, accepted('a'));
    ledger.arrived('a', 5, 500);
    expect(ledger.missing()).toEqual(['a']);
    ledger.arrived('a', 1005, 200);
    expect(ledger.totals()).toMatchObject({ delivered: 1, doubled: 0, failedOnPurpose: 1 });
    expect(ledger.latencies()!.max).toBe(1005);
  });

  test('a message that nobody confirmed may arrive; until then it is open', () => {
    const ledger = new Ledger();
    ledger.sent(0, unconfirmed('a'));
    ledger.sent(0, unconfirmed('b'));
    ledger.arrived('a', 5, 200);
    expect(ledger.unconfirmed()).toEqual(['b']);
    expect(ledger.totals()).toMatchObject({ sent: 2, accepted: 0, unconfirmed: 1, delivered: 1, waiting: 0 });
  });

  test('counts the reasons of refusals, the most frequent first', () => {
    const ledger = new Ledger();
    for (const reason of ['full', 'away', 'away']) ledger.sent(0, refused(reason));
    expect(ledger.refusals()).toEqual([
      ['away', 2],
      ['full', 1],
    ]);
    expect(ledger.totals()).toMatchObject({ sent: 3, refused: 3, accepted: 0, waiting: 0 });
  });

  test('a message that arrives although nobody reported it as stored is unexpected', () => {
    const ledger = new Ledger();
    ledger.arrived('unknown', 5, 200);
    expect(ledger.totals()).toMatchObject({ unexpected: 1, delivered: 0 });
  });

  test.each([
    'before',
    'after',
  ])('a message of a transaction that is rolled back must not arrive, %s that is known', (when) => {
    const ledger = new Ledger();
    if (when === 'after') ledger.sent(0, { kind: 'rolledBack', id: 'a' });
    ledger.arrived('a', 5, 200);
    if (when === 'before') ledger.sent(0, { kind: 'rolledBack', id: 'a' });
    ledger.sent(0, { kind: 'rolledBack', id: 'b' });
    expect(ledger.totals()).toMatchObject({
      sent: 2,
      rolledBack: 2,
      accepted: 0,
      unexpected: 1,
      neverCommitted: 1,
    });
    expect(ledger.missing()).toEqual([]);
  });

  test('counts what arrives after a later message of its key, but not a message that arrives again', () => {
    const ledger = new Ledger();
    const arrive = (id: string, key: string, number: number) => ledger.arrived(id, 1, 200, { key, number });
    arrive('a1', 'a', 1);
    arrive('b1', 'b', 1);
    arrive('a3', 'a', 3);
    arrive('a1', 'a', 1);
    expect(ledger.totals().outOfOrder).toBe(0);
    arrive('a2', 'a', 2);
    expect(ledger.totals().outOfOrder).toBe(1);
  });
});
