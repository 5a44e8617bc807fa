import { type Held, heldFor } from '../core/message/required-features.ts';
import type { Feature, LiveInstance } from '../core/records/worker-instance.ts';
import type { Clock } from '../runtime/clock.ts';
import type { LeftOut } from './ports.ts';

/** How long no row of a name is published after NATS did not take one, in milliseconds. Below it, such rows fill every batch. */
const NAME_HELD_FOR_MS = 10_000;
/** Each name is a part of every query. Above this number, everything waits instead. */
const MOST_NAMES = 100;
/** How long a read of the live workers counts, in milliseconds. Above it, another worker may have started. */
const KNOWN_FOR_MS = 10_000;

/** Which rows wait in the outbox, because a worker would do something else with them, or NATS does not take them now. */
export class Holds {
  readonly #clock: Clock;
  readonly #names = new Map<string, { readonly until: number; readonly trouble: string }>();
  #live: readonly Pick<LiveInstance, 'name' | 'features'>[] | null = null;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the live workers of the stream, as they were just read. */
  onWorkersRead(live: readonly Pick<LiveInstance, 'name' | 'features'>[]): void {
    this.#live = live;
    this.#readAt = this.#clock.now();
  }

  /** Null: every live worker has the feature. */
  heldFor(feature: Feature): Held | null {
    const isKnown = this.#clock.now() - this.#readAt < KNOWN_FOR_MS;
    return heldFor(isKnown ? this.#live : null, [feature]);
  }

  /** False: too many names are held. */
  holdName(name: string, trouble: string): boolean {
    this.#expireNames();
    if (!this.#names.has(name) && this.#names.size >= MOST_NAMES) return false;
    this.#names.set(name, { until: this.#clock.now() + NAME_HELD_FOR_MS, trouble });
    return true;
  }

  /** What NATS said of the first held name; null: no name is held. */
  nameTrouble(): string | null {
    this.#expireNames();
    return this.#names.values().next().value?.trouble ?? null;
  }

  leaveOut(): LeftOut {
    this.#expireNames();
    return {
      envelopeLike: this.heldFor('bare-payload') !== null,
      headersOfData: this.heldFor('message-parameters') !== null,
      names: [...this.#names.keys()],
    };
  }

  /**
   * Null: no ordered row may be published now. Not single rows: a later row of the same key must not be published before an
   * earlier one.
   */
  leaveOutOfOrdered(): LeftOut | null {
    const isHeld = (['ordering-name', 'bare-payload', 'message-parameters'] as const).some(
      (feature) => this.heldFor(feature) !== null,
    );
    return isHeld ? null : { envelopeLike: false, headersOfData: false, names: [] };
  }

  #expireNames(): void {
    const now = this.#clock.now();
    for (const [name, { until }] of this.#names) if (now >= until) this.#names.delete(name);
  }
}
