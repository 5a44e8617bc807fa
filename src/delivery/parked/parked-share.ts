import type { Admission } from '../admission/admission.ts';
import type { TrackedEndpoint } from '../admission/tracked-endpoint.ts';

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
  readonly #endpoints = new Set<TrackedEndpoint>();
  #busy = 0;
  #reserved = 0;
  #reservedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ParkedSlotShareOptions) {
    this.#options = options;
  }

  /** The parked queue of the endpoint is open, until `remove`. */
  add(endpoint: TrackedEndpoint): void {
    this.#endpoints.add(endpoint);
  }

  remove(endpoint: TrackedEndpoint): void {
    this.#endpoints.delete(endpoint);
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
      for (const endpoint of this.#endpoints) this.#reserved += this.#wants(endpoint);
    }
    return Math.min(
      free(),
      Math.max(Math.floor(SPARE_SHARE * slots), Math.min(this.#reserved, this.#left())),
    );
  }

  /** How many messages may be asked for from the endpoint's parked queue, including messages that are asked for already. */
  quotaFor(endpoint: TrackedEndpoint): number {
    const { admission, free, outstanding } = this.#options;
    let claimed = 0;
    for (const other of this.#endpoints) if (other !== endpoint) claimed += claimOf(other);
    return Math.min(
      admission.capacityFor(endpoint),
      // An empty queue is asked for one message, because messages that are not yet due are not counted.
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

/** Slots for messages that were asked for. A pull on an empty queue needs no slot. */
function claimOf({ consumer, parked }: TrackedEndpoint): number {
  return consumer === null ? 0 : Math.min(consumer.outstanding(), parked ?? 0);
}
