import type { Msg } from 'nats';
// The client's own parser of ack subjects: newer servers add tokens to them. It is not among the package's exports.
import { parseInfo } from 'nats/lib/jetstream/jsmsg.js';

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
    const headers = this.#message.headers;
    return headers?.has(name) ? headers.get(name) : undefined;
  }

  /** Every NATS header, for a copy that keeps them. */
  *headers(): Iterable<readonly [name: string, values: readonly string[]]> {
    const headers = this.#message.headers;
    for (const name of headers?.keys() ?? []) yield [name, headers!.values(name)];
  }
}
