import { describe, expect, test } from 'vitest';
import { type PayloadSample, samplePayloads } from '../../src/load/samples.ts';

const NOW = Date.UTC(2026, 0, 10, 12);
function events(sample: PayloadSample, { seed = 1, run = 'r1', count = 500 } = {}) {
  const make = samplePayloads(sample, { seed, run, now: NOW });
  return Array.from({ length: count }, (_, index) => JSON.parse(make(index + 1).toString()));
}

describe('a sample payment', () => {
  test('has the fields of a payment webhook, and the amount as a decimal text', () => {
    for (const event of events('payments'))
      expect(event).toEqual({
        event_id: expect.stringMatching(/^evt_r1_\d+$/),
        type: expect.stringMatching(/^payment\.(completed|failed|refunded)$/),
        amount: expect.stringMatching(/^\d{1,4}\.\d\d$/),
        currency: expect.stringMatching(/^[A-Z]{3}$/),
        occurred_at: expect.stringMatching(/^2026-01-10T12:\d\d:\d\d\.000Z$/),
      });
  });
});

describe('sample credits', () => {
  test('are about four credits to one debit, and each debit takes back an earlier credit once', () => {
    const open = new Map<string, object>();
    let debits = 0;
    for (const { event_type, ...transaction } of events('credits')) {
      if (event_type === '+credit') {
        expect(open.has(transaction.event_id)).toBe(false);
        open.set(transaction.event_id, transaction);
      } else {
        expect(event_type).toBe('-debit');
        expect(open.get(transaction.event_id)).toEqual(transaction);
        open.delete(transaction.event_id);
        debits++;
      }
    }
    expect(debits).toBeGreaterThan(60);
    expect(debits).toBeLessThan(140);
  });
});

test.each([
  'payments',
  'credits',
] as const)('%s of the same seed are the same, except for the name of the run', (sample) => {
  const withoutRun = (list: object[], run: string) => JSON.stringify(list).replaceAll(run, 'run');
  expect(withoutRun(events(sample, { run: 'r2' }), 'r2')).toBe(withoutRun(events(sample), 'r1'));
  expect(events(sample, { seed: 2 })).not.toEqual(events(sample));
});
