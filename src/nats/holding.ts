import type { AckBuffer, Lease } from './ack-buffer.ts';
import type { NatsClient } from './client.ts';
import type { HandOut } from './hand-out.ts';

const IN_PROGRESS = Buffer.from('+WPI');
/**
 * The share of the ack wait that an ordered message is surely ours: our clock starts when it reached us, the server's a little
 * earlier, and a word takes its time.
 */
const SURE = 0.9;
/** How often it is noted that this process runs: a share of the ack wait, and at most so often, in milliseconds. */
const PULSE = { share: 1 / 20, mostMs: 500 };

export type HoldingOptions = {
  readonly client: NatsClient;
  readonly acks: AckBuffer;
  /** What the durables have, in milliseconds. */
  readonly ackWaitMs: number;
  /** Whether its stream was made again meanwhile: the server would take our word for one about another message. */
  isGone(handOut: HandOut): boolean;
};

/**
 * The messages that are held here. The server is told so at each third of the ack wait, so that a long attempt is not handed to a
 * second worker. An ordered one is ours only as long as the server has surely heard of us: behind it waits the next one.
 */
export class Holding {
  readonly #options: HoldingOptions;
  /** When the server last heard that we have it, on the clock of `performance.now()`. */
  readonly #heardAt = new Map<HandOut, number>();
  readonly #release: () => void;
  /**
   * When this process ran for sure, lately. What it reads after it stood still may have lain there all that time, so that is
   * when an ordered message is taken to have come. The last pulse may be of just now, before anything is read.
   */
  #pulses: readonly [last: number, before: number] = [performance.now(), performance.now()];

  constructor(options: HoldingOptions) {
    this.#options = options;
    const progress = setInterval(() => this.#sayProgress(), options.ackWaitMs / 6);
    const pulseMs = Math.min(PULSE.mostMs, PULSE.share * options.ackWaitMs);
    const pulse = setInterval(() => {
      this.#pulses = [performance.now(), this.#pulses[0]];
    }, pulseMs);
    const stopListening = options.client.listen({ onReconnect: () => this.#sayProgress() });
    this.#release = () => {
      clearInterval(progress);
      clearInterval(pulse);
      stopListening();
    };
  }

  hold(handOut: HandOut): void {
    const [, runningAt] = this.#pulses;
    this.#heardAt.set(handOut, handOut.queue === null ? handOut.receivedAt : runningAt);
  }

  drop(handOut: HandOut): void {
    this.#heardAt.delete(handOut);
  }

  /** Whether nobody else can have it: of an ordered message, once it is too late for our word, it may be with another worker. */
  isOurs(handOut: HandOut): boolean {
    const lease = this.#leaseOf(handOut);
    return lease === undefined || performance.now() < lease.until;
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

  #sayProgress(): void {
    const { client, acks, ackWaitMs, isGone } = this.#options;
    // Words that the server cannot hear, or does not take, would only pile up, for as long as that lasts.
    if (!client.isConnected() || acks.trouble() !== null) return;
    const at = performance.now();
    for (const [handOut, heardAt] of this.#heardAt) {
      if (at - heardAt < ackWaitMs / 3 || isGone(handOut)) continue;
      const lease = this.#leaseOf(handOut);
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
