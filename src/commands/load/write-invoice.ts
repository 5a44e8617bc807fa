import type pg from 'pg';
import { Header } from '../../core/message/nats-headers.ts';
import { eventTypeOf, type InvoiceStep } from '../../load/invoices.ts';
import type { Place } from '../../load/ledger.ts';
import { enqueueWebhook } from '../../postgres/tables/outbox-writer.ts';
import { insertSampleInvoice, updateSampleInvoice } from '../../postgres/tables/sample-invoices-table.ts';
import { UserError } from '../../runtime/failure.ts';

/**
 * Writes the invoice and its event, in the transaction of the client.
 *
 * @param id The id of the event.
 * @param name What stands before the business in the name of the event: `invoices` for `invoices-acme`.
 * @param url What stands before the business in the URL; null: the event goes to the rows of its name.
 */
export async function writeInvoice(
  client: pg.PoolClient,
  step: InvoiceStep,
  { id, name, url }: { readonly id: string; readonly name: string; readonly url: string | null },
): Promise<void> {
  const { invoiceId, businessId, isNew } = step;
  const invoice = isNew ? await insertSampleInvoice(client, step) : await updateSampleInvoice(client, step);
  if (invoice === null)
    throw new UserError('an invoice does not exist, because the transaction that made it was refused');
  const eventType = eventTypeOf(step);
  await enqueueWebhook(client, {
    name: `${name}-${businessId}`,
    // The invoice as PostgreSQL writes it: parsing it would change its numbers.
    data: `{"event_id":${JSON.stringify(id)},"event_type":${JSON.stringify(eventType)},"invoice":${invoice}}`,
    webhookUrl: url === null ? null : urlOfBusiness(url, businessId),
    headers: { [Header.eventType]: eventType },
    messageId: id,
    orderingKey: invoiceId,
  });
}

function urlOfBusiness(url: string, businessId: string): string {
  const own = new URL(url);
  own.pathname = `${own.pathname.replace(/\/$/, '')}/${businessId}`;
  return own.href;
}

/** An event as it arrived. `business`: whose endpoint it is for. */
export type ArrivedInvoice = { readonly business: string; readonly place: Place };

/** Reads an event of an invoice. Null: it is none. */
export function readInvoice(body: Buffer): ArrivedInvoice | null {
  try {
    const { invoice } = JSON.parse(body.toString());
    const { invoice_id: key, version: number, business_id: business } = invoice;
    if (typeof key !== 'string' || typeof number !== 'number' || typeof business !== 'string') return null;
    return { business, place: { key, number } };
  } catch {
    return null;
  }
}
