import type { Registry } from '../../core/endpoint/registry.ts';
import { every } from '../../runtime/every.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';

export type Hold = {
  /** A sentence for a person. */
  readonly why: string;
  /** The origin of the endpoint, for the log. */
  readonly url: string;
  /** The URL of the row. The hold is over when an operator changes it. Null: the URL comes from messages. */
  readonly rowUrl: string | null;
  /** The hold is over when the live peers were read. */
  readonly untilPeersAreRead: boolean;
  /** Another worker may send to the endpoint. */
  readonly isLeftToPeers: boolean;
};

export type EndpointHoldsOptions = {
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /**
   * Told of the reasons by endpoint key, whenever they changed.
   *
   * @param keys Of the endpoints whose hold began or ended.
   */
  onChanged(held: ReadonlyMap<string, string>, keys: ReadonlySet<string>): void;
};

/**
 * How long this worker leaves the parked queue of an endpoint to its peers, in milliseconds. Below it, this worker would take the
 * messages out and park them again all the time. Above it, a mistake that is mended elsewhere (DNS) would be noticed late.
 */
const HOLD_MS = 60_000;
const CHECK_EVERY_MS = 1000;
/** The same endpoint is logged again after this long, in milliseconds. */
const LOG_AGAIN_MS = 600_000;
/** The most holds. If there are more, the oldest one ends early: the worker then tries its messages once more. */
const MAX_HOLDS = 10_000;
const HINT =
  'The messages stay parked: no dead letter. Give all workers the same ALLOWED_PRIVATE_CIDRS, ALLOWED_PORTS and EGRESS_PROXY, or correct the row of rule_webhooks.';

/** Endpoints to which this worker sends nothing for a while, because its address rules forbid what it would send. */
export class EndpointHolds {
  readonly #options: EndpointHoldsOptions;
  readonly #holds = new Map<string, Hold & { readonly until: number }>();
  readonly #logged = new ProblemLog({ againAfterMs: LOG_AGAIN_MS, quietMs: LOG_AGAIN_MS });
  #stopTimer: (() => void) | null = null;
  /** Endpoints whose hold began or ended, and of which `onChanged` was not told yet. */
  #changed = new Set<string>();

  constructor(options: EndpointHoldsOptions) {
    this.#options = options;
  }

  /** Holds the messages of an endpoint for HOLD_MS from now on. */
  hold(key: string, hold: Hold): void {
    const { log, now } = this.#options;
    // Deleted first, so that the oldest hold is the first one of the map.
    this.#holds.delete(key);
    this.#holds.set(key, { ...hold, until: now() + HOLD_MS });
    for (const oldest of this.#holds.keys()) {
      if (this.#holds.size <= MAX_HOLDS) break;
      this.#holds.delete(oldest);
      this.#tellSoon(oldest);
    }
    const fields = { endpoint: key, url: hold.url, why: hold.why, hint: HINT };
    this.#logged.report(() => log.warn(fields, 'endpoint.held'), key);
    this.#stopTimer ??= every(CHECK_EVERY_MS, () => this.#end(({ until }) => until <= now()));
    this.#tellSoon(key);
  }

  /** True if another worker may send the messages of the endpoint, and this one must not. */
  isLeftToPeers(key: string): boolean {
    return this.#holds.get(key)?.isLeftToPeers ?? false;
  }

  /** Called when the live peers were read. */
  onPeersRead(): void {
    if (this.#holds.size > 0) this.#end(({ untilPeersAreRead }) => untilPeersAreRead);
  }

  /** Called when the rows of `rule_webhooks` changed. */
  onRegistryChanged(registry: Registry | null): void {
    if (registry === null || this.#holds.size === 0) return;
    this.#end(({ rowUrl }, key) => rowUrl !== null && registry.byKey(key)?.row.url !== rowUrl);
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  #end(isOver: (hold: Hold & { readonly until: number }, key: string) => boolean): void {
    for (const [key, hold] of this.#holds) {
      if (!isOver(hold, key)) continue;
      this.#holds.delete(key);
      this.#tellSoon(key);
    }
    if (this.#holds.size === 0) this.stop();
  }

  /** Once for all holds of a moment. */
  #tellSoon(key: string): void {
    this.#changed.add(key);
    if (this.#changed.size > 1) return;
    queueMicrotask(() => {
      const keys = this.#changed;
      this.#changed = new Set();
      this.#options.onChanged(new Map([...this.#holds].map(([held, { why }]) => [held, why])), keys);
    });
  }
}
