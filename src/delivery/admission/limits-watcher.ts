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
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import type { Admission } from './admission.ts';

const READ_EVERY_MS = 1000;
const LAST_HOLDS = 'The last known limits hold until rule_nats_endpoints can be read again.';
const NEVER_READ =
  'Until the worker can read rule_nats_endpoints, no pause is known, and the worker takes caps and rates for itself alone.';
/** By then, every peer has read that there is one worker more, in milliseconds. */
const PEERS_KNOW_MS = READ_EVERY_MS + 200;
/** How long deliveries wait for the first answer: what is paused stays paused over a restart. */
const FIRST_READ_MS = 2000;

export type EndpointLimitsWatcherOptions = {
  readonly defaults: DefaultLimits;
  /** Reads `rule_nats_endpoints`, and how many workers of the group run. Rejects while PostgreSQL is away. */
  read(): Promise<ReadRules>;
  readonly admission: Pick<Admission, 'applyLimits'>;
  readonly log: Logger;
};

/**
 * Follows what operators say of endpoints in `rule_nats_endpoints`, and how many workers share what the group may do, and
 * makes the rooms obey. While PostgreSQL is away, what it said last holds.
 */
export class EndpointLimitsWatcher {
  readonly #options: EndpointLimitsWatcherOptions;
  #sources: LimitSources = NO_SOURCES;
  #last = '';
  #isReading = false;
  #isFailureLogged = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EndpointLimitsWatcherOptions) {
    this.#options = options;
    this.#apply();
  }

  /** Resolves when they were read, or could not be. */
  async start(): Promise<void> {
    await withTimeout(FIRST_READ_MS, this.#read());
    // Peers give up a part of what they may do when they see us: before that, we would come on top.
    if (this.#sources.liveWorkers > 1 && isLimited(this.#options.defaults, this.#sources))
      await wait(PEERS_KNOW_MS);
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Something may be new. */
  refresh(): void {
    void this.#read();
  }

  /** The rows of `rule_webhooks` are others, or cannot be read, or can again. */
  onRegistryChanged({ known, problem }: { known: Registry | null; problem: string | null }): void {
    const waitingForRegistry =
      problem === null ? NO_SOURCES.waitingForRegistry : this.#sources.waitingForRegistry;
    this.#sources = { ...this.#sources, registry: known, registryProblem: problem, waitingForRegistry };
    this.#apply();
  }

  /** A message of this queue waits for the rows of `rule_webhooks`: none of it comes before they can be read. */
  pauseUntilRegistryIsRead(key: string): void {
    const { waitingForRegistry, registry, registryProblem } = this.#sources;
    if (waitingForRegistry.has(key) || (registry !== null && registryProblem === null)) return;
    this.#sources = { ...this.#sources, waitingForRegistry: new Set([...waitingForRegistry, key]) };
    this.#apply();
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const read = await this.#options.read();
      this.#isFailureLogged = false;
      const text = JSON.stringify([read.liveWorkers, [...read.byOperator]]);
      if (text === this.#last) return;
      this.#last = text;
      this.#sources = { ...this.#sources, ...read };
      this.#apply();
    } catch (error) {
      const fields = { error: errorMessage(error), hint: this.#last === '' ? NEVER_READ : LAST_HOLDS };
      if (!this.#isFailureLogged) this.#options.log.warn(fields, 'limits.read_failed');
      this.#isFailureLogged = true;
    } finally {
      this.#isReading = false;
    }
  }

  #apply(): void {
    const sources = this.#sources;
    const { admission, defaults } = this.#options;
    admission.applyLimits((key) => effectiveLimits(defaults, sources, key));
  }
}
