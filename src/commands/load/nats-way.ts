import { Header } from '../../core/message/nats-headers.ts';
import type { SendResult } from '../../load/ledger.ts';
import type { SendPort } from '../../load/run-load.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createPublisher } from '../../nats/publishing/publisher.ts';
import type { Payload } from './message.ts';

/** More than enough for 40 000 messages per second on one machine. */
const MAX_IN_FLIGHT = 1000;
/** A nats-server that restarts, or elects a leader, is back within this time. In milliseconds. */
const RETRY_FOR_MS = 30_000;
/** After one of these, every further message would be refused as well. */
const ENDS_RUN = new Set(['noStream', 'denied', 'invalid']);

/**
 * Publishes to NATS, as any publisher does.
 *
 * @param url The endpoint in each message; null: the payload alone, for the rows of `rule_webhooks` that match the subject.
 */
export function natsWay(
  client: NatsClient,
  { subject, url }: { readonly subject: string; readonly url: string | null },
): SendPort<Payload> {
  const publisher = createPublisher(client, { maxInFlight: MAX_IN_FLIGHT, retryForMs: RETRY_FOR_MS });
  const start = url === null ? null : Buffer.from(`{"webhook_url":${JSON.stringify(url)},"data":`);
  const end = Buffer.from('}');
  return {
    whenFree: () => publisher.whenFree(),
    async send({ id, body }): Promise<SendResult> {
      const data = start === null ? body : Buffer.concat([start, body, end]);
      const result = await publisher.publish(subject, data, { [Header.messageId]: id });
      if ('stored' in result) return { kind: 'accepted', id, duplicate: result.stored.duplicate };
      if (result.failed === 'timeout') return { kind: 'unconfirmed', id, reason: result.detail };
      return { kind: 'refused', reason: result.detail, endsRun: ENDS_RUN.has(result.failed) };
    },
  };
}
