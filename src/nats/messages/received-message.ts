import { Match, type Msg, type MsgHdrs } from 'nats';
// The client's own parser of ack subjects: newer servers add tokens to them. It is not among the package's exports.
import { parseInfo } from 'nats/lib/jetstream/jsmsg.js';
import { isDayBucket, scheduledBucket } from '../../core/scheduled-queue.ts';
import { lastToken } from '../../core/subject.ts';
import { ORDERED_COPIES, parkedKey } from '../streams/copy-subjects.ts';
import type { HeaderEntries } from './headers.ts';
import { type CopySource, publishedHeaders, readCopySource } from './parked-copy.ts';
import { detach, headersOf, sizeOf } from './raw-message.ts';
import type { StreamPosition } from './stream-position.ts';

/** Where a message comes from: see the fields of `ReceivedMessage`. */
type Origin = Pick<ReceivedMessage, 'isParkedCopy' | 'orderingKey' | 'parkedEndpointKey' | 'notBefore'> & {
  /** What it says of the message that it is a copy of; null: it is no copy. */
  readonly source: CopySource | null;
};

const PUBLISHED: Origin = {
  source: null,
  isParkedCopy: false,
  orderingKey: null,
  parkedEndpointKey: null,
  notBefore: null,
};

/**
 * A message as a durable handed it to us: as it was published, whether it comes from its stream or is a copy, and with
 * what is needed to settle it. A message among the copies that is no copy of ours counts as published there. Made by
 * `publishedMessage`, `parkedMessage` and `orderedMessage`.
 */
export class ReceivedMessage {
  /** As it was published. */
  readonly subject: string;
  data: Uint8Array;
  /** Where it was published: its stream, when that was made (milliseconds since 1970), and its place there. */
  readonly stream: string;
  readonly streamCreatedAt: number;
  readonly sequence: number;
  /** When it was published, in milliseconds since 1970. */
  readonly publishedAt: number;
  /** Whether it was handed out by the parked stream. */
  readonly isParkedCopy: boolean;
  /** The key of the endpoint whose queue it waited in; null where it is no copy of ours, or waited for its time. */
  readonly parkedEndpointKey: string | null;
  /** Before when a parked copy is not to be sent, in milliseconds since 1970; null: at once, or it is moved to another queue until then. */
  readonly notBefore: number | null;
  /** The number of an attempt that is made now, from 1: those made before it was parked count, and every hand-out. */
  readonly attemptNumber: number;

  /** The subject that it is stored under, where one message of it goes at a time, in order; null: in any order. */
  readonly orderingKey: string | null;

  /** Where this hand-out is stored. */
  readonly position: StreamPosition;
  /** How often the server has handed it out from there, this time included. */
  readonly deliveryCount: number;
  /** What the server has still to hand out after it, by this durable. */
  readonly pending: number;
  /** Where the server wants to hear what became of it. */
  readonly reply: string;
  /** When it reached us, on the clock of `performance.now()`. */
  readonly receivedAt = performance.now();

  readonly #message: Msg;
  readonly #source: CopySource | null;
  /** Read when first asked for: most messages have none, and few are asked. */
  #headers: MsgHdrs | undefined | null = null;

  /** @param streamCreatedAt When the stream was made that hands it out, in milliseconds since 1970. */
  constructor(message: Msg, streamCreatedAt: number, origin: Origin) {
    const info = parseInfo(message.reply!);
    const { source } = origin;
    this.#message = message;
    this.position = { stream: info.stream, streamCreatedAt, sequence: info.streamSequence };
    this.#source = source;
    const published = source?.position ?? this.position;
    this.subject = source?.subject ?? message.subject;
    this.data = message.data;
    this.stream = published.stream;
    this.streamCreatedAt = published.streamCreatedAt;
    this.sequence = published.sequence;
    this.publishedAt = source?.publishedAt ?? Math.floor(info.timestampNanos / 1e6);
    this.isParkedCopy = origin.isParkedCopy;
    this.orderingKey = origin.orderingKey;
    this.parkedEndpointKey = origin.parkedEndpointKey;
    this.notBefore = origin.notBefore;
    this.deliveryCount = info.deliveryCount;
    // The first hand-out of a copy that waits only brings it here, to be handed back until its time has come.
    this.attemptNumber = (source?.attempts ?? 0) + this.deliveryCount - (this.notBefore === null ? 0 : 1);
    this.pending = info.pending;
    this.reply = message.reply!;
  }

  /** Whether an attempt may have been made before: as a hand-out that was lost, or before it was parked. */
  get isRedelivery(): boolean {
    return this.attemptNumber > 1;
  }

  /** Whether it is only to be handed back for the time that is left until `notBefore`, and never sent. */
  get isFirstDeliveryOfDelayed(): boolean {
    return this.notBefore !== null && this.deliveryCount === 1;
  }

  /** Whether it is a parked copy that was handed out before, to be sent, and no word came back. */
  get isRedeliveredCopy(): boolean {
    return this.isParkedCopy && this.deliveryCount > (this.notBefore === null ? 1 : 2);
  }

  /** Bytes of its headers and data, where it is stored. */
  get size(): number {
    return sizeOf(this.#message);
  }

  /** To be kept for long: in memory, without what came over the wire with it. */
  detach(): void {
    detach(this.#message);
    this.data = this.#message.data;
  }

  /** A header that it was published with, or `Webhook-Delivery-Id` as it was parked with; in whatever case its name is written. */
  header(name: string): string | undefined {
    const headers = this.#read();
    if (headers === undefined) return undefined;
    if (headers.has(name)) return headers.get(name);
    return headers.has(name, Match.IgnoreCase) ? headers.get(name, Match.IgnoreCase) : undefined;
  }

  /** Every NATS header that it was published with, for a copy that keeps them. */
  headers(): HeaderEntries {
    const headers = this.#read();
    return (headers?.keys() ?? []).map((name) => [name, headers!.values(name)]);
  }

  #read(): MsgHdrs | undefined {
    if (this.#headers === null) {
      const headers = headersOf(this.#message);
      this.#headers = headers === undefined || this.#source === null ? headers : publishedHeaders(headers);
    }
    return this.#headers;
  }
}

/** A message of the stream that webhooks are published to. */
export function publishedMessage(message: Msg, streamCreatedAt: number): ReceivedMessage {
  return new ReceivedMessage(message, streamCreatedAt, PUBLISHED);
}

/** A message of the parked stream: a copy, or what somebody else published there. */
export function parkedMessage(message: Msg, streamCreatedAt: number): ReceivedMessage {
  const source = readCopySource(headersOf(message));
  const queue = parkedKey(message.subject);
  return new ReceivedMessage(message, streamCreatedAt, {
    source,
    isParkedCopy: true,
    orderingKey: null,
    parkedEndpointKey: source !== null && scheduledBucket(queue) === null ? queue : null,
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
