import type { Msg, MsgHdrs } from 'nats';
// The client's own parser of ack subjects, to which newer servers add tokens. The package does not export the parser.
import { parseInfo } from 'nats/lib/jetstream/jsmsg.js';
import { endpointKeyOfQueue } from '../../core/parked-queue-key.ts';
import { isDayBucket, scheduledBucket } from '../../core/scheduled-queue.ts';
import { lastToken } from '../../core/subject.ts';
import { boundedKey, ORDERED_COPIES, parkedKey } from '../streams/copy-subjects.ts';
import type { HeaderEntries } from './headers.ts';
import { type CopySource, publishedHeaders, readCopySource } from './parked-copy.ts';
import { detach, headersOf, sizeOf } from './raw-message.ts';
import type { StreamPosition } from './stream-position.ts';

/** Where a message comes from: see the fields of `ReceivedMessage`. */
type Provenance = Pick<
  ReceivedMessage,
  'isParkedCopy' | 'orderingKey' | 'parkedEndpointKey' | 'notBefore'
> & {
  /** What a copy says of its original message; null: the message is not a copy. */
  readonly source: CopySource | null;
};

const PUBLISHED: Provenance = {
  source: null,
  isParkedCopy: false,
  orderingKey: null,
  parkedEndpointKey: null,
  notBefore: null,
};

/**
 * A message as a durable delivered it: with the content of the original message, also if it is a copy, and with everything that
 * is needed to settle it. A message in the parked stream that is not one of our copies counts as published there. Made by
 * `publishedMessage`, `parkedMessage` and `orderedMessage`.
 */
export class ReceivedMessage {
  /** The subject of the original message. */
  readonly subject: string;
  data: Uint8Array;
  /** Where the original was published: the stream, its creation time (milliseconds since 1970), the sequence there. */
  readonly stream: string;
  readonly streamCreatedAt: number;
  readonly sequence: number;
  /** When the original was published, in milliseconds since 1970. */
  readonly publishedAt: number;
  /** When the delivered message was stored, in milliseconds since 1970, by the clock of NATS. */
  readonly storedAt: number;
  /** True if the parked stream delivered the message. */
  readonly isParkedCopy: boolean;
  /** The key of the endpoint whose queue held the copy. Null if the message is not one of our copies, or was scheduled. */
  readonly parkedEndpointKey: string | null;
  /** `webhook_id` of the row of `rule_webhooks` that a copy is for. Null: none, or the copy does not tell. */
  readonly webhookId: number | null;
  /**
   * The earliest time to send a parked copy, in milliseconds since 1970. Null: send it at once, or move it to another queue that
   * holds it until then.
   */
  readonly notBefore: number | null;
  /** The number of an attempt made now, from 1. Attempts before the message was parked count, and every delivery by NATS. */
  readonly attemptNumber: number;

  /** The subject that the message is stored under, whose messages are delivered one at a time, in order. Null: in any order. */
  readonly orderingKey: string | null;

  /** Where the delivered message is stored: the copy, if it is one. */
  readonly position: StreamPosition;
  /** How often the server has delivered the message from there, including this delivery. */
  readonly deliveryCount: number;
  /** The number of this delivery among all deliveries of the durable, from 1. */
  readonly deliverySequence: number;
  /** How many more messages the durable has to deliver. */
  readonly pending: number;
  /** The ack subject of the message. */
  readonly reply: string;
  /** When the message arrived here, on the clock of `performance.now()`. */
  readonly receivedAt = performance.now();

  readonly #message: Msg;
  readonly #source: CopySource | null;
  /** Parsed at the first use: most messages have no headers, and the headers of few are used. */
  #headers: MsgHdrs | undefined | null = null;
  /** Of the headers. The client copies them at each search, and about ten headers of each message are looked for. */
  #names: readonly string[] | null = null;

  /** @param streamCreatedAt When the stream that delivered the message was created, in milliseconds since 1970. */
  constructor(message: Msg, streamCreatedAt: number, provenance: Provenance) {
    const info = parseInfo(message.reply!);
    const { source } = provenance;
    this.#message = message;
    this.position = { stream: info.stream, streamCreatedAt, sequence: info.streamSequence };
    this.#source = source;
    const published = source?.position ?? this.position;
    this.subject = source?.subject ?? message.subject;
    this.data = message.data;
    this.stream = published.stream;
    this.streamCreatedAt = published.streamCreatedAt;
    this.sequence = published.sequence;
    this.storedAt = Math.floor(info.timestampNanos / 1e6);
    this.publishedAt = source?.publishedAt ?? this.storedAt;
    this.isParkedCopy = provenance.isParkedCopy;
    this.orderingKey = provenance.orderingKey;
    this.parkedEndpointKey = provenance.parkedEndpointKey;
    this.webhookId = provenance.parkedEndpointKey === null ? null : (source?.webhookId ?? null);
    this.notBefore = provenance.notBefore;
    this.deliveryCount = info.deliveryCount;
    // The first delivery of a scheduled copy makes no attempt: the worker naks the copy until its time.
    this.attemptNumber = (source?.attempts ?? 0) + this.deliveryCount - (this.notBefore === null ? 0 : 1);
    this.deliverySequence = info.deliverySequence;
    this.pending = info.pending;
    this.reply = message.reply!;
  }

  /** True if an attempt may have been made before: in a delivery that was lost, or before the message was parked. */
  get isRedelivery(): boolean {
    return this.attemptNumber > 1;
  }

  /** True if this delivery comes before `notBefore`: it must not be sent, only nak'd. */
  get isFirstDeliveryOfDelayed(): boolean {
    return this.notBefore !== null && this.deliveryCount === 1;
  }

  /** True if the message is a parked copy that NATS delivered before, to be sent, without a result. */
  get isRedeliveredCopy(): boolean {
    return this.isParkedCopy && this.deliveryCount > (this.notBefore === null ? 1 : 2);
  }

  /** The subject of the stored message: the copy, if it is one. */
  get storedSubject(): string {
    return this.#message.subject;
  }

  /** Bytes of the stored message, headers and data. */
  get size(): number {
    return sizeOf(this.#message);
  }

  /** Call this before keeping the message for long: it copies the message out of the receive buffer. */
  detach(): void {
    detach(this.#message);
    this.data = this.#message.data;
  }

  /** A header of the original message, or `Webhook-Delivery-Id` of the parked copy. The name may be in any letter case. */
  header(name: string): string | undefined {
    const headers = this.#read();
    if (headers === undefined) return undefined;
    this.#names ??= headers.keys();
    const found = this.#names.includes(name) ? name : this.#names.find((other) => isSameName(name, other));
    return found === undefined ? undefined : headers.get(found);
  }

  /** All NATS headers of the original message, for a copy that keeps them. */
  headers(): HeaderEntries {
    return [...(this.#read() ?? [])];
  }

  #read(): MsgHdrs | undefined {
    if (this.#headers === null) {
      const headers = headersOf(this.#message);
      this.#headers = headers === undefined || this.#source === null ? headers : publishedHeaders(headers);
    }
    return this.#headers;
  }
}

function isSameName(name: string, other: string): boolean {
  return name.length === other.length && name.toLowerCase() === other.toLowerCase();
}

/** A message of the stream that webhooks are published to. */
export function publishedMessage(message: Msg, streamCreatedAt: number): ReceivedMessage {
  return new ReceivedMessage(message, streamCreatedAt, PUBLISHED);
}

/** A message of the parked stream: a copy, or a message that another program published there. */
export function parkedMessage(message: Msg, streamCreatedAt: number): ReceivedMessage {
  const source = readCopySource(headersOf(message));
  const queue = boundedKey(parkedKey(message.subject));
  return new ReceivedMessage(message, streamCreatedAt, {
    source,
    isParkedCopy: true,
    orderingKey: null,
    parkedEndpointKey: source !== null && scheduledBucket(queue) === null ? endpointKeyOfQueue(queue) : null,
    notBefore: isDayBucket(queue) ? null : (source?.notBefore ?? null),
  });
}

/** A message of the stream of ordered webhooks: as it was published, or a copy for one of several endpoints. */
export function orderedMessage(message: Msg, streamCreatedAt: number): ReceivedMessage {
  const { subject } = message;
  const source = subject.startsWith(ORDERED_COPIES) ? readCopySource(headersOf(message)) : null;
  return new ReceivedMessage(message, streamCreatedAt, {
    source,
    isParkedCopy: false,
    orderingKey: subject,
    parkedEndpointKey: source === null ? null : lastToken(subject),
    notBefore: source?.notBefore ?? null,
  });
}
