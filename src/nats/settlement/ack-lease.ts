import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import type { AckBuffer, Lease } from './ack-buffer.ts';

const IN_PROGRESS = Buffer.from('+WPI');
/**
 * The share of the ack wait that an ordered message is surely ours: our clock starts when it reached us, the server's a little
 * earlier, and a word takes its time.
 */
const SAFETY = 0.9;
/** How long after the server last heard of one it is told again: a share of the ack wait. An ordered one may be sent only for a while after that. */
const EXTEND_AFTER = { ordered: 1 / 6, other: 1 / 3 };
/** How often the server is asked for a sign of life: a share of the ack wait, and at least so often, in milliseconds. */
const PING = { share: 1 / 20, maxMs: 500 };

export type LeaseManagerOptions = {
  readonly client: NatsClient;
  readonly acks: AckBuffer;
  /** What the durables have, in milliseconds. */
  readonly ackWaitMs: number;
  /** Whether its stream was made again meanwhile: the server would take our word for one about another message. */
  isGone(message: ReceivedMessage): boolean;
};

/**
 * The messages that are held here. The server is told so at each third of the ack wait, or sooner, so that a long attempt is not handed to a
 * second worker. An ordered one is ours only as long as the server has surely heard of us: behind it waits the next one.
 */
export class LeaseManager {
  readonly #options: LeaseManagerOptions;
  /** When the server last heard that we have it, on the clock of `performance.now()`. */
  readonly #confirmedAt = new Map<ReceivedMessage, number>();
  readonly #release: () => void;
  /**
   * When the last ping was said that is answered, on the clock of `performance.now()`. What is read behind its answer was sent
   * after that time, however long it lay on the way, or here while this process stood still: that is when an ordered message is
   * taken to have come.
   */
  #answeredAt = performance.now();
  #isPinging = false;

  constructor(options: LeaseManagerOptions) {
    this.#options = options;
    const progress = setInterval(() => this.#extendAll(), options.ackWaitMs / 6);
    const ping = setInterval(() => this.#ping(), Math.min(PING.maxMs, PING.share * options.ackWaitMs));
    const stopListening = options.client.listen({ onReconnect: () => this.#extendAll() });
    this.#release = () => {
      clearInterval(progress);
      clearInterval(ping);
      stopListening();
    };
  }

  add(message: ReceivedMessage): void {
    this.#confirmedAt.set(message, message.orderingKey === null ? message.receivedAt : this.#answeredAt);
  }

  remove(message: ReceivedMessage): void {
    this.#confirmedAt.delete(message);
  }

  /**
   * Whether nobody else can have it, also after `forMs` in which NATS hears nothing of us: of an ordered message, once it is too
   * late for our word, it may be with another worker.
   */
  isLeaseValid(message: ReceivedMessage, forMs = 0): boolean {
    const lease = this.#leaseOf(message);
    return lease === undefined || performance.now() + forMs < lease.expiresAt;
  }

  /** Says the last word about it, where it may still be said. */
  finish(message: ReceivedMessage, ack: Uint8Array, repeatForMs?: number): void {
    const lease = this.#leaseOf(message);
    this.remove(message);
    if (!this.#options.isGone(message)) this.#options.acks.send(message.reply, ack, repeatForMs, lease);
  }

  stop(): void {
    this.#release();
  }

  #leaseOf(message: ReceivedMessage): Lease | undefined {
    if (message.orderingKey === null) return undefined;
    const heardAt = this.#confirmedAt.get(message) ?? Number.NEGATIVE_INFINITY;
    return { expiresAt: heardAt + SAFETY * this.#options.ackWaitMs };
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

  #extendAll(): void {
    const { client, acks, ackWaitMs, isGone } = this.#options;
    // Words that the server cannot hear, or does not take, would only pile up, for as long as that lasts.
    if (!client.isConnected() || acks.problem() !== null) return;
    const at = performance.now();
    for (const [message, heardAt] of this.#confirmedAt) {
      const lease = this.#leaseOf(message);
      const toldAfter = lease === undefined ? EXTEND_AFTER.other : EXTEND_AFTER.ordered;
      if (at - heardAt < toldAfter * ackWaitMs || isGone(message)) continue;
      if (lease === undefined) {
        acks.send(message.reply, IN_PROGRESS);
        this.#confirmedAt.set(message, at);
      } else if (at < lease.expiresAt) {
        const onConfirmed = () => void (this.#confirmedAt.has(message) && this.#confirmedAt.set(message, at));
        acks.send(message.reply, IN_PROGRESS, undefined, { ...lease, onConfirmed });
      }
    }
  }
}
