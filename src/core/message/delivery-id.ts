import { createHash } from 'node:crypto';
import { detachedText } from '../detached-text.ts';
import { Header } from './nats-headers.ts';

/** The longest id, in characters. */
const LONGEST = 255;
/** Long enough that two ids of one kind never meet, even where nothing else of them is left. */
const HASH_DIGITS = 16;

/**
 * The id of a delivery, the same over all its attempts: the NATS header `Webhook-Delivery-Id`, else `Nats-Msg-Id`, else
 * one made of the message's place in its stream. Visible ASCII without a dot, 1 to 255 characters. A character that
 * cannot stay becomes `_`, and what is too long is cut; `-` and a hash of the original follow then, so that two ids
 * never become one.
 *
 * @param message.streamCreatedAt In milliseconds since 1970: sequences start again when a stream is made again.
 */
export function deliveryId(message: {
  header(name: string): string | undefined;
  readonly stream: string;
  readonly streamCreatedAt: number;
  readonly sequence: number;
}): string {
  const given = message.header(Header.deliveryId)?.trim() || message.header(Header.messageId)?.trim();
  // Cut out of the block of all headers.
  if (given) return detachedText(clean(given), LONGEST);
  return clean(`${message.stream}-${message.streamCreatedAt.toString(36)}-${message.sequence}`);
}

function clean(id: string): string {
  const visible = id.replace(/[^\x21-\x2d\x2f-\x7e]/gu, '_');
  if (visible === id && id.length <= LONGEST) return id;
  const hash = createHash('sha256').update(id).digest('hex').slice(0, HASH_DIGITS);
  return `${visible.slice(0, LONGEST - HASH_DIGITS - 1)}-${hash}`;
}
