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

/** Which kind of stream hands out: the one that webhooks are published to, that of parked copies, or that of ordered webhooks. */
export type StreamKind = 'stream' | 'parked' | 'ordered';

/**
 * A message as a durable handed it to us: as it was published, whether it comes from its stream or is a copy, and with
 * what is needed to settle it. A message among the copies that is no copy of ours counts as published there.
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
  constructor(message: Msg, streamCreatedAt: number, kind: StreamKind = 'stream') {
    const info = parseInfo(message.reply!);
    this.#message = message;
    this.position = { stream: info.stream, streamCreatedAt, sequence: info.streamSequence };
    const isCopy = kind === 'parked' || (kind === 'ordered' && message.subject.startsWith(ORDERED_COPIES));
    this.#source = isCopy ? readCopySource(headersOf(message)) : null;
    const published = this.#source?.position ?? this.position;
    this.subject = this.#source?.subject ?? message.subject;
    this.data = message.data;
    this.stream = published.stream;
    this.streamCreatedAt = published.streamCreatedAt;
    this.sequence = published.sequence;
    this.publishedAt = this.#source?.publishedAt ?? Math.floor(info.timestampNanos / 1e6);
    this.isParkedCopy = kind === 'parked';
    this.orderingKey = kind === 'ordered' ? message.subject : null;
    this.parkedEndpointKey = this.#source === null ? null : parkedEndpointKeyOf(message.subject, kind);
    const notBefore = this.#source?.notBefore ?? null;
    this.notBefore = notBefore !== null && isDayBucket(parkedKey(message.subject)) ? null : notBefore;
    this.deliveryCount = info.deliveryCount;
    // The first hand-out of a copy that waits only brings it here, to be handed back until its time has come.
    this.attemptNumber =
      (this.#source?.attempts ?? 0) + this.deliveryCount - (this.notBefore === null ? 0 : 1);
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

/** Whose queue a copy is in; null: that of its time. */
function parkedEndpointKeyOf(subject: string, by: StreamKind): string | null {
  if (by === 'ordered') return lastToken(subject);
  const queue = parkedKey(subject);
  return scheduledBucket(queue) === null ? queue : null;
}
