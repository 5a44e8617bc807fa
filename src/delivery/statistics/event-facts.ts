import { scalarText } from '../../core/json/fields.ts';
import type { Delivery } from '../../core/message/delivery.ts';
import { Header } from '../../core/message/nats-headers.ts';
import { webhookNameIn } from '../../core/message/routed-subject.ts';
import { eventTypesOf } from '../../core/request/event-type.ts';
import type { Message } from '../message.ts';
import { isUndeliverable, type Undeliverable } from '../resolve.ts';

/** What a message says of its event, for the rows of statistics. */
export type EventFacts = {
  readonly eventType: string | null;
  readonly eventId: string | null;
  readonly webhookName: string | null;
};

/** The longest text of these, in characters: every row has them. */
const LONGEST = 255;
/** The largest payload of a message without an endpoint that is read for its type, in bytes. */
const LARGEST_READ = 65_536;
const EVENT_TYPE = Header.eventType.toLowerCase();

/**
 * The event type is the one of the NATS header, else of the headers of the request, else of the bare payload. The `data` of an
 * envelope is not read for it: one more pass over each payload would cost a tenth of a delivery.
 */
export function eventFactsOf(message: Message, delivery: Delivery | Undeliverable): EventFacts {
  return {
    eventType: short(message.header(Header.eventType) || typeIn(message, delivery)),
    eventId: short(message.header(Header.eventId)),
    webhookName: short(webhookNameIn(message)),
  };
}

function typeIn({ data }: Message, delivery: Delivery | Undeliverable): string | undefined | null {
  if (isUndeliverable(delivery)) return data.length > LARGEST_READ ? null : eventTypesOf(data, undefined)[0];
  const { eventType, headers } = delivery;
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at]!.length === EVENT_TYPE.length && headers[at]!.toLowerCase() === EVENT_TYPE)
      return headers[at + 1];
  return eventType === undefined ? null : scalarText(eventType);
}

function short(text: string | null | undefined): string | null {
  return text ? text.slice(0, LONGEST) : null;
}
