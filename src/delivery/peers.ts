import {
  describeDifference,
  type LiveInstance,
  type SettingDifference,
  settingDifferences,
} from '../core/records/worker-instance.ts';
import { Listeners } from '../runtime/listeners.ts';
import type { Logger } from '../runtime/logger.ts';

export type PeersOptions = {
  /** The row of this worker. */
  readonly own: LiveInstance;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/**
 * How long a read of the live workers counts, in milliseconds. They are read every second. Below it, a short absence of PostgreSQL
 * changes nothing. Above it, a worker that started meanwhile may be missing in the read, so the peers count as unknown.
 */
const KNOWN_FOR_MS = 30_000;
/**
 * How long a peer that stopped still counts as one that may come back, in milliseconds. Below it, the restart of one worker would
 * turn messages that only this worker may send into dead letters of the others.
 */
const MAY_COME_BACK_MS = 60_000;
const DIFFER =
  'What happens to a message depends on the worker that takes it. Give all workers of the group the same settings.';

/** The live workers of the same stream and group, as their rows say. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #read = new Listeners();
  #live: readonly LiveInstance[] = [];
  /** Every peer of the last MAY_COME_BACK_MS, and when it was last seen, by instance id. */
  readonly #seen = new Map<string, { readonly instance: LiveInstance; readonly at: number }>();
  #readAt = Number.NEGATIVE_INFINITY;
  #logged = '';

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Adds a listener that is called after every read. */
  onReadDone(listener: () => void): void {
    this.#read.add(listener);
  }

  /** Takes the rows of all live workers of the group, as they were just read. The row of this worker may be among them. */
  onRead(live: readonly LiveInstance[]): void {
    const { own, now } = this.#options;
    this.#live = live.filter(({ instanceId }) => instanceId !== own.instanceId);
    this.#readAt = now();
    for (const instance of this.#live) this.#seen.set(instance.instanceId, { instance, at: now() });
    for (const [id, { at }] of this.#seen) if (now() - at > MAY_COME_BACK_MS) this.#seen.delete(id);
    this.#logDifferences();
    this.#read.call();
  }

  /** The live peers, and those that stopped within the last minute and may come back; null while they are not known. */
  recent(): readonly LiveInstance[] | null {
    if (this.#options.now() - this.#readAt >= KNOWN_FOR_MS) return null;
    return [...this.#seen.values()].map(({ instance }) => instance);
  }

  /** Where the settings of the live workers, with this one, differ. The last known ones while PostgreSQL is away. */
  differingSettings(): readonly SettingDifference[] {
    return settingDifferences([this.#options.own, ...this.#live]);
  }

  /** The differences, for /health; null: there are none. */
  problem(): string | null {
    const differing = this.differingSettings().map(describeDifference);
    return differing.length === 0 ? null : `the workers of the group differ in ${differing.join('; ')}`;
  }

  #logDifferences(): void {
    const { log } = this.#options;
    const differing = this.differingSettings().map(describeDifference);
    const text = differing.join('; ');
    if (text === this.#logged) return;
    this.#logged = text;
    if (text === '') log.info({}, 'settings.agree');
    else log.warn({ differing, hint: DIFFER }, 'settings.differ');
  }
}
