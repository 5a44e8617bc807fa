import { setTimeout as wait } from 'node:timers/promises';
import {
  type DefaultLimits,
  effectiveLimits,
  isLimited,
  type LimitSources,
  NO_SOURCES,
  type GroupLimits as ReadRules,
} from '../../core/capacity/endpoint-limits.ts';
import type { Registry } from '../../core/endpoint/registry.ts';
import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import type { Admission } from './admission.ts';

const READ_EVERY_MS = 1000;
const LAST_HOLDS = 'The last known limits hold until rule_nats_endpoints can be read again.';
const NEVER_READ =
  'Until the worker can read rule_nats_endpoints, the worker knows no pause, and uses the caps and rates of the whole group alone.';
/**
 * How long a start waits for the other workers, in milliseconds: after it, every worker of the group has read that this worker
 * shares the limits. With a shorter wait, the group would exceed its limits for a moment.
 */
const PEERS_KNOW_MS = READ_EVERY_MS + 200;
/**
 * How long deliveries wait for the first read, in milliseconds, so that a paused endpoint stays paused over a restart. After it,
 * deliveries start without the limits of `rule_nats_endpoints`.
 */
const FIRST_READ_MS = 2000;

export type EndpointLimitsWatcherOptions = {
  readonly defaults: DefaultLimits;
  /** Reads `rule_nats_endpoints`, and the number of live workers of the group. Rejects while PostgreSQL is away. */
  read(): Promise<ReadRules>;
  readonly admission: Pick<Admission, 'applyLimits'>;
  readonly log: Logger;
};

/**
 * Follows the limits that operators set in `rule_nats_endpoints`, and the number of workers that share the limits of the group,
 * and applies both to the endpoint limiters. While PostgreSQL is away, the last known limits hold.
 */
export class EndpointLimitsWatcher {
  readonly #options: EndpointLimitsWatcherOptions;
  #sources: LimitSources = NO_SOURCES;
  #last = '';
  #underWay: Promise<boolean> | null = null;
  #next: Promise<boolean> | null = null;
  readonly #problem = new ProblemLog();
  #stopTimer = () => {};

  constructor(options: EndpointLimitsWatcherOptions) {
    this.#options = options;
    this.#apply();
  }

  /** Resolves when the limits were read, when the read failed, or after FIRST_READ_MS. */
  async start(): Promise<void> {
    await withTimeout(FIRST_READ_MS, this.#read());
    // Peers give up a part of what they may do when they see us: before that, we would come on top.
    if (this.#sources.liveWorkers > 1 && isLimited(this.#options.defaults, this.#sources))
      await wait(PEERS_KNOW_MS);
    this.#stopTimer = every(READ_EVERY_MS, () => this.#read());
  }

  stop(): void {
    this.#stopTimer();
  }

  /** Resolves when a read that begins after this call is over: true if it succeeded. Concurrent calls share one read. */
  refreshed(): Promise<boolean> {
    const underWay = this.#underWay ?? Promise.resolve();
    this.#next ??= underWay.then(() => {
      this.#next = null;
      return this.#read();
    });
    return this.#next;
  }

  /**
   * Called when the rows of `rule_webhooks` changed, cannot be read, or can be read again.
   *
   * @param keys Of the endpoints that changed; null: any endpoint may be concerned.
   */
  onRegistryChanged(
    { known, problem }: { known: Registry | null; problem: string | null },
    keys: ReadonlySet<string> | null = null,
  ): void {
    const waitingForRegistry =
      problem === null ? NO_SOURCES.waitingForRegistry : this.#sources.waitingForRegistry;
    this.#sources = { ...this.#sources, registry: known, registryProblem: problem, waitingForRegistry };
    this.#apply(keys);
  }

  /** Pauses the parked queue of this key until the rows of `rule_webhooks` can be read: a message of the queue needs them. */
  pauseUntilRegistryIsRead(key: string): void {
    const { waitingForRegistry, registry, registryProblem } = this.#sources;
    if (waitingForRegistry.has(key) || (registry !== null && registryProblem === null)) return;
    this.#sources = { ...this.#sources, waitingForRegistry: new Set([...waitingForRegistry, key]) };
    this.#apply();
  }

  /**
   * Called when this worker holds the messages of endpoints, or holds them no more.
   *
   * @param held Reasons by endpoint key.
   * @param keys Of the endpoints that are concerned.
   */
  onHeld(held: ReadonlyMap<string, string>, keys: ReadonlySet<string>): void {
    this.#sources = { ...this.#sources, held };
    this.#apply(keys);
  }

  #read(): Promise<boolean> {
    this.#underWay ??= this.#readOnce().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async #readOnce(): Promise<boolean> {
    try {
      const read = await this.#options.read();
      this.#problem.clear();
      const text = JSON.stringify([read.liveWorkers, [...read.byOperator]]);
      if (text === this.#last) return true;
      this.#last = text;
      this.#sources = { ...this.#sources, ...read };
      this.#apply();
      return true;
    } catch (error) {
      const fields = { error: errorMessage(error), hint: this.#last === '' ? NEVER_READ : LAST_HOLDS };
      this.#problem.report(() => this.#options.log.warn(fields, 'limits.read_failed'));
      return false;
    }
  }

  #apply(keys: ReadonlySet<string> | null = null): void {
    const sources = this.#sources;
    const { admission, defaults } = this.#options;
    admission.applyLimits((...endpoint) => effectiveLimits(defaults, sources, ...endpoint), keys);
  }
}
