/** The facts in the headers of a copy. */

import { Header } from '../../core/message/nats-headers.ts';
import { endpointKeyOfQueue } from '../../core/parked-queue-key.ts';
import { scheduledBucket } from '../../core/scheduled-queue.ts';
import { escapedHeader, headerText, isLeftOut } from '../messages/headers.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';

export type CopyHeaders = {
  readonly deliveryId: string;
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: the message has a URL of its own, or its row is not known. */
  readonly webhookId: number | null;
  /** The endpoint's key in the `Nats-Msg-Id`, if it is another one. */
  readonly lastingKey?: string;
  /** Attempts made so far. */
  readonly attempts: number;
  /** Milliseconds since 1970; null: it may be sent at once. */
  readonly notBefore: number | null;
};

const DELIVERY_ID = Header.deliveryId.toLowerCase();

/**
 * Returns the headers of a copy, as sent over the network. The headers that an earlier copy added are not copied, so that a
 * message does not grow when it is parked again and again.
 *
 * @param groupPrefix Of the group that stores the copy: each group has copies of its own.
 */
export function copyHeaderBlock(
  message: ReceivedMessage,
  copy: CopyHeaders,
  groupPrefix: string,
): Uint8Array {
  const { stream, streamCreatedAt, sequence } = message.position;
  let block =
    'NATS/1.0\r\n' +
    `${Header.messageId}: ${stream}:${streamCreatedAt}:${sequence}:${groupPrefix}${messageIdKey(copy)}\r\n` +
    `${Header.deliveryId}: ${headerText(copy.deliveryId)}\r\n` +
    `${Header.attempts}: ${copy.attempts}\r\n` +
    `${Header.originalSubject}: ${message.subject}\r\n` +
    `${Header.originalStream}: ${message.stream}\r\n` +
    `${Header.originalStreamCreated}: ${message.streamCreatedAt}\r\n` +
    `${Header.originalSequence}: ${message.sequence}\r\n` +
    `${Header.publishedAt}: ${new Date(message.publishedAt).toISOString()}\r\n`;
  if (copy.webhookId !== null) block += `${Header.webhookId}: ${copy.webhookId}\r\n`;
  if (copy.notBefore !== null) {
    block += `${Header.notBefore}: ${new Date(copy.notBefore).toISOString()}\r\n`;
  }
  for (const [name, values] of message.headers()) {
    if (isLeftOut(name) || name.toLowerCase() === DELIVERY_ID) continue;
    for (const value of values) block += `${escapedHeader(name)}: ${value}\r\n`;
  }
  return Buffer.from(`${block}\r\n`);
}

/**
 * All scheduled queues share one key in the `Nats-Msg-Id`, because a message moves from the queue of its day to the queue of its
 * minute. With a key per queue, both copies could be stored. The two queues of an endpoint share a key, too: a second delivery of a
 * message counts as an attempt, so its copy may go to the other queue.
 */
function messageIdKey({ endpointKey, lastingKey }: CopyHeaders): string {
  if (lastingKey !== undefined) return lastingKey;
  return scheduledBucket(endpointKey) === null ? endpointKeyOfQueue(endpointKey) : 'at';
}
