import type { Admission } from '../admission/admission.ts';
import type { TrackedEndpoint } from '../admission/tracked-endpoint.ts';

export type ParkedSlotShareOptions = {
  readonly admission: Admission;
  /** CONCURRENCY. */
  readonly slots: number;
  /** Slots without a message. */
  free(): number;
  /** Fresh messages that are asked for, and about to come. */
  outstanding(): number;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** For how long the sum of what all queues want is good enough, in milliseconds. */
const RESERVED_FOR_MS = 5;
/** The most that parked messages have of the slots, so that those of healthy endpoints go on meanwhile. */
const MAX_SHARE = 0.75;
/** Left free of fresh messages even while nothing is known to be parked, so that what a peer has parked need not wait. */
const SPARE_SHARE = 1 / 40;

/** How the slots are shared between fresh messages and parked ones: these go first, up to a bound. */
export class ParkedSlotShare {
  readonly #options: ParkedSlotShareOptions;
  readonly #endpoints = new Set<TrackedEndpoint>();
  #busy = 0;
  #reserved = 0;
  #reservedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ParkedSlotShareOptions) {
    this.#options = options;
  }

  /** An endpoint's queue is being drained, until `remove`. */
  add(endpoint: TrackedEndpoint): void {
    this.#endpoints.add(endpoint);
  }

  remove(endpoint: TrackedEndpoint): void {
    this.#endpoints.delete(endpoint);
  }

  /** A parked message has its slot, until `ended`. */
  started(): void {
    this.#busy++;
  }

  finished(): void {
    this.#busy--;
  }

  /** How many of the free slots are to be left to parked messages. */
  reservedSlots(): number {
    const { now, slots, free } = this.#options;
    if (now() - this.#reservedAt >= RESERVED_FOR_MS) {
      this.#reservedAt = now();
      this.#reserved = 0;
      for (const endpoint of this.#endpoints) this.#reserved += this.#wants(endpoint);
    }
    return Math.min(
      free(),
      Math.max(Math.floor(SPARE_SHARE * slots), Math.min(this.#reserved, this.#left())),
    );
  }

  /** How many messages of this endpoint's queue may be asked for, those included that are. */
  quotaFor(endpoint: TrackedEndpoint): number {
    const { admission, free, outstanding } = this.#options;
    let claimed = 0;
    for (const other of this.#endpoints) if (other !== endpoint) claimed += claimOf(other);
    return Math.min(
      admission.capacityFor(endpoint),
      // A queue that seems to be empty is asked for one: those that wait for their time are not counted.
      Math.max(1, endpoint.parked ?? 0),
      Math.min(free() - outstanding(), this.#left()) - claimed,
    );
  }

  #left(): number {
    return Math.max(1, Math.floor(MAX_SHARE * this.#options.slots)) - this.#busy;
  }

  #wants(endpoint: TrackedEndpoint): number {
    return Math.min(this.#options.admission.capacityFor(endpoint), endpoint.parked ?? 0);
  }
}

/** What is asked for and is not there takes no slot. */
function claimOf({ consumer, parked }: TrackedEndpoint): number {
  return consumer === null ? 0 : Math.min(consumer.outstanding(), parked ?? 0);
}
