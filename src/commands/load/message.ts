import type { InvoiceStep } from '../../load/invoices.ts';

/** What every way hands over of a message. */
export type Payload = {
  /** `Nats-Msg-Id`, `Idempotency-Key`, or `message_id` of the outbox. */
  readonly id: string;
  /** JSON. Of an invoice: empty, because PostgreSQL makes it of the row. */
  readonly body: Buffer;
};

/** One message of a run. */
export type LoadMessage = Payload & {
  /** By the outbox: the transaction is rolled back. */
  readonly rollsBack: boolean;
  /** By the outbox: messages with the same turn are written one after the other. Null: in any order. */
  readonly turn: string | null;
  /** What is written beside the webhook. */
  readonly invoice: InvoiceStep | null;
};
