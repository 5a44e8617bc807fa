import { describe, expect, test } from 'vitest';
import { eventTypeOf, type InvoiceStep, invoiceSteps } from '../../src/load/invoices.ts';

type Step = InvoiceStep & { readonly rollsBack: boolean };

/** Every third step is rolled back. */
function stepsOf({ seed = 1, run = 'r1', count = 3000 } = {}): Step[] {
  const make = invoiceSteps(seed, run);
  return Array.from({ length: count }, (_, index) => {
    const rollsBack = index % 3 === 2;
    return { ...make(index + 1, rollsBack), rollsBack };
  });
}

describe('the steps of the sample invoices', () => {
  const committed = stepsOf().filter(({ rollsBack }) => !rollsBack);

  test('make each invoice once, and change only invoices that exist', () => {
    const known = new Map<string, InvoiceStep>();
    for (const step of stepsOf()) {
      const before = known.get(step.invoiceId);
      expect(step.isNew).toBe(before === undefined);
      if (before !== undefined)
        expect(step).toMatchObject({ businessId: before.businessId, amount: before.amount });
      if (!step.rollsBack) known.set(step.invoiceId, step);
    }
  });

  test('go from status to status: nothing follows paid and void', () => {
    const follows = new Set<string>();
    const statusOf = new Map<string, string>();
    for (const { invoiceId, status } of committed) {
      follows.add(`${statusOf.get(invoiceId) ?? 'nothing'} ${status}`);
      statusOf.set(invoiceId, status);
    }
    expect([...follows].sort()).toEqual([
      'draft sent',
      'draft void',
      'nothing draft',
      'overdue paid',
      'overdue void',
      'sent overdue',
      'sent paid',
    ]);
  });

  test('are of four businesses, and have decimal amounts', () => {
    expect(new Set(committed.map(({ businessId }) => businessId)).size).toBe(4);
    for (const { amount } of committed) expect(amount).toMatch(/^\d{1,4}\.\d\d$/);
  });

  test('are about one new invoice in three', () => {
    const share = committed.filter(({ isNew }) => isNew).length / committed.length;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.45);
  });

  test('of the same seed are the same, except for the name of the run', () => {
    expect(JSON.stringify(stepsOf({ run: 'r2' })).replaceAll('r2', 'r1')).toBe(JSON.stringify(stepsOf()));
    expect(stepsOf({ seed: 2 })).not.toEqual(stepsOf());
  });

  test('have the type of their event', () => {
    const [first] = committed;
    expect(eventTypeOf(first!)).toBe('invoice.created');
    expect(eventTypeOf({ ...first!, isNew: false, status: 'paid' })).toBe('invoice.paid');
  });
});
