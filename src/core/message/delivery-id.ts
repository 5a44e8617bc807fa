import { createHash } from 'node:crypto';
import { detachedText } from '../detached-text.ts';
import { Header } from './nats-headers.ts';

const LONGEST = 255;
/** Enough digits that two ids of one kind never become equal, even if the rest of the ids is equal after cleaning. */
const HASH_DIGITS = 16;

/**
 * The id of a delivery, the same over all its attempts: the NATS header `Webhook-Delivery-Id`, else `Nats-Msg-Id`, else an id
 * made of the message's position in its stream. Visible ASCII without a dot, 1 to 255 characters. Each character that is not
 * allowed becomes `_`, and an id that is too long is cut; a changed id ends with `-` and a hash of the original, so that two
 * different ids never become equal.
 *
 * @param message.streamCreatedAt When the stream was created, in milliseconds since 1970. Part of the id, because a recreated
 *   stream starts its sequences again.
 */
export function deliveryId(message: {
  header(name: string): string | undefined;
  readonly stream: string;
  readonly streamCreatedAt: number;
  readonly sequence: number;
}): string {
  const given = message.header(Header.deliveryId)?.trim() || message.header(Header.messageId)?.trim();
  // The header is a piece of the text of all headers.
  if (given) return detachedText(clean(given), LONGEST);
  return clean(`${message.stream}-${message.streamCreatedAt.toString(36)}-${message.sequence}`);
}

function clean(id: string): string {
  const visible = id.replace(/[^\x21-\x2d\x2f-\x7e]/gu, '_');
  if (visible === id && id.length <= LONGEST) return id;
  const hash = createHash('sha256').update(id).digest('hex').slice(0, HASH_DIGITS);
  return `${visible.slice(0, LONGEST - HASH_DIGITS - 1)}-${hash}`;
}
