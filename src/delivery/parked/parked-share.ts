import type { Admission } from '../admission/admission.ts';
import { claimOf } from '../admission/parked-queue.ts';
import type { ParkedQueue } from '../admission/tracked-endpoint.ts';
import { capacityOf } from './parked-capacity.ts';

export type ParkedSlotShareOptions = {
  readonly admission: Admission;
  /** CONCURRENCY. */
  readonly slots: number;
  /** Slots without a message. */
  free(): number;
  /** New messages that were asked for and are about to come. */
  outstanding(): number;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/**
 * How long the sum of the wanted slots is reused, in milliseconds. Below it, the sum would cost too much; above it, it is
 * outdated.
 */
const RESERVED_FOR_MS = 5;
/** The largest share of the slots that parked messages get, so that new messages for healthy endpoints go on meanwhile. */
const MAX_SHARE = 0.75;
/** Share of the slots that new messages never get, so that messages that another worker has parked need not wait. */
const SPARE_SHARE = 1 / 40;

/** Divides the slots between new and parked messages. Parked messages go first, up to MAX_SHARE. */
export class ParkedSlotShare {
  readonly #options: ParkedSlotShareOptions;
  readonly #queues = new Set<ParkedQueue>();
  #busy = 0;
  #reserved = 0;
  #reservedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ParkedSlotShareOptions) {
    this.#options = options;
  }

  /** The parked queue is open, until `remove`. */
  add(queue: ParkedQueue): void {
    this.#queues.add(queue);
  }

  remove(queue: ParkedQueue): void {
    this.#queues.delete(queue);
  }

  /** A parked message has a slot, until `finished`. */
  started(): void {
    this.#busy++;
  }

  finished(): void {
    this.#busy--;
  }

  /** How many free slots the other sources must leave to parked messages. */
  reservedSlots(): number {
    const { now, slots, free } = this.#options;
    if (now() - this.#reservedAt >= RESERVED_FOR_MS) {
      this.#reservedAt = now();
      this.#reserved = 0;
      for (const queue of this.#queues) this.#reserved += this.#wants(queue);
    }
    return Math.min(
      free(),
      Math.max(Math.floor(SPARE_SHARE * slots), Math.min(this.#reserved, this.#left())),
    );
  }

  /** How many messages may be asked for from the parked queue, including messages that are asked for already. */
  quotaFor(queue: ParkedQueue): number {
    const { admission, free, outstanding, now } = this.#options;
    let claimed = 0;
    for (const other of this.#queues) if (other !== queue) claimed += claimOf(other);
    return Math.min(
      capacityOf(queue, admission, now()),
      // An empty queue is asked for one message, because messages that are not yet due are not counted.
      Math.max(1, queue.messages ?? 0),
      Math.min(free() - outstanding(), this.#left()) - claimed,
    );
  }

  #left(): number {
    return Math.max(1, Math.floor(MAX_SHARE * this.#options.slots)) - this.#busy;
  }

  #wants(queue: ParkedQueue): number {
    const { admission, now } = this.#options;
    return Math.min(capacityOf(queue, admission, now()), queue.messages ?? 0);
  }
}
