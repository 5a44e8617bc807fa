import { deliveryId } from '../core/message/delivery-id.ts';
import { Header } from '../core/message/nats-headers.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import type { Message } from './message.ts';
import type { Undeliverable } from './resolve.ts';

/**
 * Recognizes a delete marker, which NATS stores when it removes the last message of a subject. A delete marker is never sent to an
 * endpoint. It has no body. A message with the header and a body may be a webhook, so it becomes a dead letter.
 *
 * @returns Null for any other message.
 */
export function deleteMarker(message: Message): Undeliverable | null {
  const reason = message.header(Header.markerReason);
  if (reason === undefined) return null;
  const about = { id: deliveryId(message), endpointKey: NO_ENDPOINT_KEY, webhookId: message.webhookId };
  if (message.data.length > 0) {
    const detail = `the NATS header ${Header.markerReason} says that this is a delete marker of NATS, but a delete marker has no body`;
    return { ...about, outcome: { kind: 'undeliverable', reason: 'malformed', detail } };
  }
  const detail = `a delete marker of NATS, not a webhook: NATS removed the last message of this subject (${reason})`;
  return { ...about, outcome: { kind: 'deleteMarker', detail } };
}
