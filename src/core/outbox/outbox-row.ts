import { createHash } from 'node:crypto';
import type { PublishedAs, WebhookParts } from '../message/compose.ts';
import { Header } from '../message/nats-headers.ts';

/** A row of `rule_nats_outbox` that waits. */
export type OutboxRow = {
  readonly id: number;
  readonly name: string;
  /** JSON. */
  readonly data: string;
  /** Null: to the rows of `rule_webhooks` that match the subject. */
  readonly webhookUrl: string | null;
  /** JSON of an object of strings, numbers and booleans. */
  readonly headers: string | null;
  /** Sent as `webhook-id`. */
  readonly messageId: string;
  readonly orderingKey: string | null;
  /** Milliseconds since 1970. */
  readonly deliverAt: number | null;
  /** How often an operator let the row be published again. */
  readonly retries: number;
};

/** The default of the column: unique on all databases. */
const GENERATED_ID = /^outbox-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const EVENT_TYPE = Header.eventType.toLowerCase();

/** What the row asks to be published. */
export function partsOf(row: OutboxRow): WebhookParts {
  const { name, webhookUrl } = row;
  const orderingKey = row.orderingKey ?? undefined;
  const deliverAt = row.deliverAt ?? undefined;
  const headers = row.headers === null ? undefined : textsOf(row.headers);
  if (webhookUrl !== null) {
    const body = Buffer.from(envelopeOf(webhookUrl, headers, row.data));
    return { name, body, isEnvelope: true, orderingKey, deliverAt };
  }
  const eventType = headers && eventTypeIn(headers);
  return { name, body: Buffer.from(row.data), orderingKey, deliverAt, headers, eventType };
}

function eventTypeIn(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(headers).find(([name]) => name.toLowerCase() === EVENT_TYPE)?.[1] || undefined;
}

/** Under which ids it is published. */
export function idsOf(row: OutboxRow, installationId: string): PublishedAs {
  return { messageId: natsMessageId(row, installationId), deliveryId: row.messageId };
}

/**
 * The id under which NATS stores the row once within its duplicate window. The id that a user chose counts within its name and its
 * database: two orders with the number 17 in two databases are two webhooks. An operator's retry is a new message for NATS.
 */
export function natsMessageId(
  { name, messageId, retries }: Pick<OutboxRow, 'name' | 'messageId' | 'retries'>,
  installationId: string,
): string {
  const suffix = retries === 0 ? '' : `-${retries}`;
  if (GENERATED_ID.test(messageId)) return messageId + suffix;
  const scoped = [installationId, name, messageId].join('\n');
  return `outbox-${createHash('sha256').update(scoped).digest('base64url').slice(0, 22)}${suffix}`;
}

function textsOf(json: string): Record<string, string> {
  const values: Record<string, unknown> = JSON.parse(json);
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

/** `data` stays as PostgreSQL writes it: parsing it would change its numbers. */
function envelopeOf(
  url: string,
  headers: Readonly<Record<string, string>> | undefined,
  data: string,
): string {
  const isNone = headers === undefined || Object.keys(headers).length === 0;
  const named = isNone ? '' : `"headers":${JSON.stringify(headers)},`;
  return `{"webhook_url":${JSON.stringify(url)},${named}"data":${data}}`;
}
