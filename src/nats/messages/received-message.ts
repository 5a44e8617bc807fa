import { Match, type Msg, type MsgHdrs } from 'nats';
// The client's own parser of ack subjects: newer servers add tokens to them. It is not among the package's exports.
import { parseInfo } from 'nats/lib/jetstream/jsmsg.js';
import { isDayBucket, scheduledBucket } from '../../core/scheduled-queue.ts';
import { lastToken } from '../../core/subject.ts';
import { ORDERED_COPIES } from '../streams/ordered-stream.ts';
import { parkedKey } from '../streams/parked-stream.ts';
import type { HeaderEntries } from './headers.ts';
import { type Origin, publishedHeaders, readOrigin } from './parked-copy.ts';
import { headersOf, separate, sizeOf } from './raw-message.ts';
import type { Place } from './stream-position.ts';

/** Which kind of stream hands out: the one that webhooks are published to, that of parked copies, or that of ordered webhooks. */
export type HandedOutBy = 'stream' | 'parked' | 'ordered';

/**
 * A message as a durable handed it to us: as it was published, whether it comes from its stream or is a copy, and with
 * what is needed to settle it. A message among the copies that is no copy of ours counts as published there.
 */
export class HandOut {
  /** As it was published. */
  readonly subject: string;
  data: Uint8Array;
  /** Where it was published: its stream, when that was made (milliseconds since 1970), and its place there. */
  readonly stream: string;
  readonly streamCreated: number;
  readonly sequence: number;
  /** When it was published, in milliseconds since 1970. */
  readonly firstSeen: number;
  /** Whether it was handed out by the parked stream. */
  readonly isParkedCopy: boolean;
  /** The key of the endpoint whose queue it waited in; null where it is no copy of ours, or waited for its time. */
  readonly parkedFor: string | null;
  /** Before when a parked copy is not to be sent, in milliseconds since 1970; null: at once, or it is moved to another queue until then. */
  readonly notBefore: number | null;
  /** The number of an attempt that is made now, from 1: those made before it was parked count, and every hand-out. */
  readonly attemptNumber: number;

  /** The subject that it is stored under, where one message of it goes at a time, in order; null: in any order. */
  readonly queue: string | null;

  /** Where this hand-out is stored. */
  readonly place: Place;
  /** How often the server has handed it out from there, this time included. */
  readonly handOuts: number;
  /** What the server has still to hand out after it, by this durable. */
  readonly pending: number;
  /** Where the server wants to hear what became of it. */
  readonly reply: string;
  /** When it reached us, on the clock of `performance.now()`. */
  readonly receivedAt = performance.now();

  readonly #message: Msg;
  readonly #origin: Origin | null;
  /** Read when first asked for: most messages have none, and few are asked. */
  #headers: MsgHdrs | undefined | null = null;

  /** @param created When the stream was made that hands it out, in milliseconds since 1970. */
  constructor(message: Msg, created: number, by: HandedOutBy = 'stream') {
    const info = parseInfo(message.reply!);
    this.#message = message;
    this.place = { stream: info.stream, created, sequence: info.streamSequence };
    const isCopy = by === 'parked' || (by === 'ordered' && message.subject.startsWith(ORDERED_COPIES));
    this.#origin = isCopy ? readOrigin(headersOf(message)) : null;
    const published = this.#origin?.place ?? this.place;
    this.subject = this.#origin?.subject ?? message.subject;
    this.data = message.data;
    this.stream = published.stream;
    this.streamCreated = published.created;
    this.sequence = published.sequence;
    this.firstSeen = this.#origin?.firstSeen ?? Math.floor(info.timestampNanos / 1e6);
    this.isParkedCopy = by === 'parked';
    this.queue = by === 'ordered' ? message.subject : null;
    this.parkedFor = this.#origin === null ? null : endpointOf(message.subject, by);
    const notBefore = this.#origin?.notBefore ?? null;
    this.notBefore = notBefore !== null && isDayBucket(parkedKey(message.subject)) ? null : notBefore;
    this.handOuts = info.deliveryCount;
    // The first hand-out of a copy that waits only brings it here, to be handed back until its time has come.
    this.attemptNumber = (this.#origin?.attempts ?? 0) + this.handOuts - (this.notBefore === null ? 0 : 1);
    this.pending = info.pending;
    this.reply = message.reply!;
  }

  /** Whether an attempt may have been made before: as a hand-out that was lost, or before it was parked. */
  get isRedelivery(): boolean {
    return this.attemptNumber > 1;
  }

  /** Whether it is only to be handed back for the time that is left until `notBefore`, and never sent. */
  get isDeferred(): boolean {
    return this.notBefore !== null && this.handOuts === 1;
  }

  /** Whether it is a parked copy that was handed out before, to be sent, and no word came back. */
  get isLostCopy(): boolean {
    return this.isParkedCopy && this.handOuts > (this.notBefore === null ? 1 : 2);
  }

  /** Bytes of its headers and data, where it is stored. */
  get size(): number {
    return sizeOf(this.#message);
  }

  /** To be kept for long: in memory, without what came over the wire with it. */
  separate(): void {
    separate(this.#message);
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
      this.#headers = headers === undefined || this.#origin === null ? headers : publishedHeaders(headers);
    }
    return this.#headers;
  }
}

/** Whose queue a copy is in; null: that of its time. */
function endpointOf(subject: string, by: HandedOutBy): string | null {
  if (by === 'ordered') return lastToken(subject);
  const queue = parkedKey(subject);
  return scheduledBucket(queue) === null ? queue : null;
}
