import type { Clock } from '../../runtime/clock.ts';
import { every } from '../../runtime/every.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import type { AckBuffer, Lease } from './ack-buffer.ts';

const IN_PROGRESS = Buffer.from('+WPI');
/**
 * The lease on an ordered message lasts this share of the ack wait. The rest is reserve: the ack wait of the server starts a
 * little earlier than the lease, and an ack takes time to arrive. Above it, another worker might get the message before the
 * lease ends.
 */
const SAFETY = 0.9;
/**
 * When a progress message is sent after the last confirmed one, as a share of the ack wait. Earlier for an ordered message,
 * because an attempt may only start while enough of its lease is left.
 */
const EXTEND_AFTER = { ordered: 1 / 6, other: 1 / 3 };
/** Interval of the PINGs: a share of the ack wait, at most `maxMs` milliseconds. */
const PING = { share: 1 / 20, maxMs: 500 };

export type LeaseManagerOptions = {
  readonly client: NatsClient;
  readonly acks: AckBuffer;
  /** Ack wait of the durables, in milliseconds. */
  readonly ackWaitMs: number;
  /** True if the message's stream was created again: the server would take an ack for an ack of another message. */
  isGone(message: ReceivedMessage): boolean;
  /** In a worker, the clock of the process: the ack buffer compares the end of a lease with `performance.now()`. */
  readonly clock: Clock;
};

/**
 * The messages that this worker holds. A progress message goes to the server after each third of the ack wait, or sooner, so
 * that NATS does not deliver a message to a second worker during a long attempt. The lease on an ordered message lasts only as
 * long as the server has surely received a progress message. After that, NATS may give the message, and then the next one of
 * its key, to another worker.
 */
export class LeaseManager {
  readonly #options: LeaseManagerOptions;
  /** When the last progress message was sent, of an ordered message the last confirmed one, on the clock of the options. */
  readonly #confirmedAt = new Map<ReceivedMessage, number>();
  readonly #release: () => void;
  /**
   * Send time of the last PING that got its PONG, on the clock of the options. Everything that is read after that PONG left
   * the server after this time, even if this process was paused. So the lease on an ordered message starts here.
   */
  #answeredAt: number;

  constructor(options: LeaseManagerOptions) {
    this.#options = options;
    const { ackWaitMs, client, clock } = options;
    this.#answeredAt = clock.now();
    const releases = [
      every(ackWaitMs / 6, () => this.#extendAll(), { clock }),
      every(Math.min(PING.maxMs, PING.share * ackWaitMs), () => this.#ping(), { clock }),
      client.listen({ onReconnect: () => this.#extendAll() }),
    ];
    this.#release = () => {
      for (const release of releases) release();
    };
  }

  add(message: ReceivedMessage): void {
    this.#confirmedAt.set(message, message.orderingKey === null ? message.receivedAt : this.#answeredAt);
  }

  remove(message: ReceivedMessage): void {
    this.#confirmedAt.delete(message);
  }

  /**
   * True if NATS cannot have given the message to another worker, also after `forMs` without a progress message. Always true
   * for a message without an ordering key. An ordered message may be with another worker after its lease ends.
   */
  isLeaseValid(message: ReceivedMessage, forMs = 0): boolean {
    const lease = this.#leaseOf(message);
    return lease === undefined || this.#options.clock.now() + forMs < lease.expiresAt;
  }

  /** Sends the final ack or nak of the message, if its lease is still valid. */
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
    const confirmedAt = this.#confirmedAt.get(message) ?? Number.NEGATIVE_INFINITY;
    return { expiresAt: confirmedAt + SAFETY * this.#options.ackWaitMs };
  }

  /** Resolves when the PONG came, or when none can come any more: until then, no other PING is sent. */
  async #ping(): Promise<void> {
    const { connection, isConnected } = this.#options.client;
    if (!isConnected()) return;
    const at = this.#options.clock.now();
    await connection.flush().then(
      () => {
        this.#answeredAt = at;
      },
      () => {},
    );
  }

  #extendAll(): void {
    const { client, acks, ackWaitMs, isGone } = this.#options;
    // While the server cannot receive progress messages, or refuses them, they would only pile up.
    if (!client.isConnected() || acks.problem() !== null) return;
    const at = this.#options.clock.now();
    for (const [message, confirmedAt] of this.#confirmedAt) {
      const lease = this.#leaseOf(message);
      const extendAfter = lease === undefined ? EXTEND_AFTER.other : EXTEND_AFTER.ordered;
      if (at - confirmedAt < extendAfter * ackWaitMs || isGone(message)) continue;
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
