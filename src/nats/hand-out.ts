import type { Msg, MsgHdrs } from 'nats';
// The client's own parser of ack subjects: newer servers add tokens to them. It is not among the package's exports.
import { parseInfo } from 'nats/lib/jetstream/jsmsg.js';
import type { HeaderEntries } from './headers.ts';
import { headersOf } from './message-headers.ts';

/** A message as the durable handed it to us, with what is needed to settle it. */
export class HandOut {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly stream: string;
  readonly sequence: number;
  readonly handOuts: number;
  readonly streamCreated: number;
  /** Where the server wants to hear what became of it. */
  readonly reply: string;
  /** When it reached us, on the clock of `performance.now()`. */
  readonly receivedAt = performance.now();
  readonly #message: Msg;
  /** Read when first asked for. */
  #headers: MsgHdrs | undefined | null = null;

  constructor(message: Msg, streamCreated: number) {
    const info = parseInfo(message.reply!);
    this.#message = message;
    this.subject = message.subject;
    this.data = message.data;
    this.stream = info.stream;
    this.sequence = info.streamSequence;
    this.handOuts = info.deliveryCount;
    this.streamCreated = streamCreated;
    this.reply = message.reply!;
  }

  header(name: string): string | undefined {
    const headers = this.#read();
    return headers?.has(name) ? headers.get(name) : undefined;
  }

  /** Every NATS header, for a copy that keeps them. */
  headers(): HeaderEntries {
    const headers = this.#read();
    return (headers?.keys() ?? []).map((name) => [name, headers!.values(name)]);
  }

  #read(): MsgHdrs | undefined {
    if (this.#headers === null) this.#headers = headersOf(this.#message);
    return this.#headers;
  }
}
