import { between, type Random, seededRandom } from '../core/seeded-random.ts';

/** One transaction of the sample: it makes an invoice, or changes its status. */
export type InvoiceStep = {
  readonly invoiceId: string;
  readonly businessId: string;
  readonly isNew: boolean;
  readonly status: InvoiceStatus;
  /** A decimal number, in EUR. */
  readonly amount: string;
};

export type InvoiceStatus = 'draft' | 'sent' | 'overdue' | 'paid' | 'void';

export const BUSINESSES = ['acme', 'globex', 'initech', 'umbrella'] as const;

/** What may follow. A status that is not named is the last one of an invoice. */
const NEXT: { readonly [status in InvoiceStatus]?: readonly InvoiceStatus[] } = {
  draft: ['sent', 'sent', 'sent', 'void'],
  sent: ['paid', 'paid', 'overdue'],
  overdue: ['paid', 'void'],
};

const NEW_SHARE = 0.35;
const MOST_OPEN_INVOICES = 1000;

/**
 * Makes the steps of a run: invoices of four businesses, with random amounts, that go from status to status. A step that is rolled
 * back leaves no trace in those that follow.
 *
 * @param run Part of each id.
 */
export function invoiceSteps(seed: number, run: string): (number: number, rollsBack: boolean) => InvoiceStep {
  const random = seededRandom(seed, 'invoices');
  const open: InvoiceStep[] = [];
  return (number, rollsBack) => {
    const isNew = open.length === 0 || random() < NEW_SHARE;
    const at = isNew ? open.length : Math.floor(random() * open.length);
    const step = isNew ? newInvoice(`inv_${run}_${number}`, random) : changed(open[at]!, random);
    if (rollsBack) return step;
    if (NEXT[step.status] === undefined) open.splice(at, 1);
    else open[at] = step;
    if (open.length > MOST_OPEN_INVOICES) open.shift();
    return step;
  };
}

function newInvoice(invoiceId: string, random: Random): InvoiceStep {
  const businessId = BUSINESSES[between(random, [0, BUSINESSES.length - 1])]!;
  const cents = String(between(random, [0, 99])).padStart(2, '0');
  return {
    invoiceId,
    businessId,
    isNew: true,
    status: 'draft',
    amount: `${between(random, [1, 9999])}.${cents}`,
  };
}

function changed(invoice: InvoiceStep, random: Random): InvoiceStep {
  const next = NEXT[invoice.status]!;
  return { ...invoice, isNew: false, status: next[between(random, [0, next.length - 1])]! };
}

/** `invoice.created`, `invoice.paid`, … */
export function eventTypeOf({ isNew, status }: InvoiceStep): string {
  return `invoice.${isNew ? 'created' : status}`;
}
