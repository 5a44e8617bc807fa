import type { NatsClient } from '../connection/client.ts';
import type { HandOut } from '../messages/received-message.ts';
import type { AckBuffer, Lease } from './ack-buffer.ts';

const IN_PROGRESS = Buffer.from('+WPI');
/**
 * The share of the ack wait that an ordered message is surely ours: our clock starts when it reached us, the server's a little
 * earlier, and a word takes its time.
 */
const SURE = 0.9;
/** How long after the server last heard of one it is told again: a share of the ack wait. An ordered one may be sent only for a while after that. */
const TOLD_AFTER = { ordered: 1 / 6, other: 1 / 3 };
/** How often the server is asked for a sign of life: a share of the ack wait, and at least so often, in milliseconds. */
const PING = { share: 1 / 20, mostMs: 500 };

export type HoldingOptions = {
  readonly client: NatsClient;
  readonly acks: AckBuffer;
  /** What the durables have, in milliseconds. */
  readonly ackWaitMs: number;
  /** Whether its stream was made again meanwhile: the server would take our word for one about another message. */
  isGone(handOut: HandOut): boolean;
};

/**
 * The messages that are held here. The server is told so at each third of the ack wait, or sooner, so that a long attempt is not handed to a
 * second worker. An ordered one is ours only as long as the server has surely heard of us: behind it waits the next one.
 */
export class Holding {
  readonly #options: HoldingOptions;
  /** When the server last heard that we have it, on the clock of `performance.now()`. */
  readonly #heardAt = new Map<HandOut, number>();
  readonly #release: () => void;
  /**
   * When the last ping was said that is answered, on the clock of `performance.now()`. What is read behind its answer was sent
   * after that time, however long it lay on the way, or here while this process stood still: that is when an ordered message is
   * taken to have come.
   */
  #answeredAt = performance.now();
  #isPinging = false;

  constructor(options: HoldingOptions) {
    this.#options = options;
    const progress = setInterval(() => this.#sayProgress(), options.ackWaitMs / 6);
    const ping = setInterval(() => this.#ping(), Math.min(PING.mostMs, PING.share * options.ackWaitMs));
    const stopListening = options.client.listen({ onReconnect: () => this.#sayProgress() });
    this.#release = () => {
      clearInterval(progress);
      clearInterval(ping);
      stopListening();
    };
  }

  hold(handOut: HandOut): void {
    this.#heardAt.set(handOut, handOut.queue === null ? handOut.receivedAt : this.#answeredAt);
  }

  drop(handOut: HandOut): void {
    this.#heardAt.delete(handOut);
  }

  /**
   * Whether nobody else can have it, also after `forMs` in which NATS hears nothing of us: of an ordered message, once it is too
   * late for our word, it may be with another worker.
   */
  isOurs(handOut: HandOut, forMs = 0): boolean {
    const lease = this.#leaseOf(handOut);
    return lease === undefined || performance.now() + forMs < lease.until;
  }

  /** Says the last word about it, where it may still be said. */
  end(handOut: HandOut, word: Uint8Array, repeatForMs?: number): void {
    const lease = this.#leaseOf(handOut);
    this.drop(handOut);
    if (!this.#options.isGone(handOut)) this.#options.acks.say(handOut.reply, word, repeatForMs, lease);
  }

  stop(): void {
    this.#release();
  }

  #leaseOf(handOut: HandOut): Lease | undefined {
    if (handOut.queue === null) return undefined;
    const heardAt = this.#heardAt.get(handOut) ?? Number.NEGATIVE_INFINITY;
    return { until: heardAt + SURE * this.#options.ackWaitMs };
  }

  #ping(): void {
    const { connection, isConnected } = this.#options.client;
    if (this.#isPinging || !isConnected()) return;
    const at = performance.now();
    this.#isPinging = true;
    const isOver = () => {
      this.#isPinging = false;
    };
    connection.flush().then(() => {
      this.#answeredAt = at;
      isOver();
    }, isOver);
  }

  #sayProgress(): void {
    const { client, acks, ackWaitMs, isGone } = this.#options;
    // Words that the server cannot hear, or does not take, would only pile up, for as long as that lasts.
    if (!client.isConnected() || acks.trouble() !== null) return;
    const at = performance.now();
    for (const [handOut, heardAt] of this.#heardAt) {
      const lease = this.#leaseOf(handOut);
      const toldAfter = lease === undefined ? TOLD_AFTER.other : TOLD_AFTER.ordered;
      if (at - heardAt < toldAfter * ackWaitMs || isGone(handOut)) continue;
      if (lease === undefined) {
        acks.say(handOut.reply, IN_PROGRESS);
        this.#heardAt.set(handOut, at);
      } else if (at < lease.until) {
        const heard = () => void (this.#heardAt.has(handOut) && this.#heardAt.set(handOut, at));
        acks.say(handOut.reply, IN_PROGRESS, undefined, { ...lease, heard });
      }
    }
  }
}
