import type { MsgHdrs } from 'nats';
import { Header, isWorkerHeader } from '../../core/message/nats-headers.ts';
import { escapedHeader, headersOfEntries, unescapedHeader } from './headers.ts';
import type { StreamPosition } from './stream-position.ts';

/** What a copy tells about its original message. */
export type CopySource = {
  /** Where the message was published. */
  readonly subject: string;
  readonly position: StreamPosition;
  /** `webhook_id` of the row of `rule_webhooks` that the copy is for. Null: none, or a copy of a worker that did not store it. */
  readonly webhookId: number | null;
  /** Attempts made before the message was parked. */
  readonly attempts: number;
  /** When the message was published, in milliseconds since 1970. Null if the copy does not tell. */
  readonly publishedAt: number | null;
  /** The earliest time to send the message, in milliseconds since 1970. Null: at once. */
  readonly notBefore: number | null;
};

/** Null for a message in the parked stream that is not one of our copies: it does not name its original message. */
export function readCopySource(copy: MsgHdrs | undefined): CopySource | null {
  const subject = copy?.get(Header.originalSubject);
  const stream = copy?.get(Header.originalStream);
  const streamCreatedAt = count(copy?.get(Header.originalStreamCreated));
  const sequence = count(copy?.get(Header.originalSequence));
  if (!subject || !stream || streamCreatedAt === null || sequence === null) return null;
  return {
    subject,
    position: { stream, streamCreatedAt, sequence },
    webhookId: integer(copy?.get(Header.webhookId)),
    attempts: count(copy?.get(Header.attempts)) ?? 0,
    publishedAt: time(copy?.get(Header.publishedAt)),
    notBefore: time(copy?.get(Header.notBefore)),
  };
}

/** The headers of the original message, taken from its copy. Only `Webhook-Delivery-Id` is the one of the copy. */
export function publishedHeaders(copy: MsgHdrs): MsgHdrs {
  // The copy's own `Nats-Msg-Id`, and other headers that have an effect on the server, do not belong to the original message.
  const published = [...copy].filter(([name]) => !isWorkerHeader(name) && escapedHeader(name) === name);
  return headersOfEntries(published.map(([name, values]) => [unescapedHeader(name), values]));
}

function count(text: string | undefined): number | null {
  if (text === undefined || !/^\d+$/.test(text)) return null;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : null;
}

function integer(text: string | undefined): number | null {
  const number = Number(text);
  return text !== undefined && /^-?\d+$/.test(text) && Number.isSafeInteger(number) ? number : null;
}

function time(text: string | undefined): number | null {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
}
