import { LruMap } from '../../core/lru-map.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Message } from '../message.ts';
import type { Undeliverable } from '../resolve.ts';

/** How many kinds are remembered. Above it, a kind that was not seen for long is logged again. */
const KINDS = 1000;
const LONGEST_KIND = 2000;
/** The most lines in a minute: with an id in each event type, every message would be a kind of its own. */
const MAX_PER_MINUTE = 20;
const MINUTE_MS = 60_000;

const SHOWN =
  'Such messages are acked and counted. The view nats_deliveries shows them with the status discarded.';
const HINTS = {
  filtered: `Rows of rule_webhooks match the subject, and no row has the event type in its event_types. ${SHOWN}`,
  deleteMarker: `The stream has subject_delete_marker_ttl. If the reason is MaxAge and no worker had delivered the removed message, a webhook is lost: see max_age and Nats-TTL of the stream. ${SHOWN}`,
};

/** Logs discarded messages, one line for each kind: the same endpoint and the same event types, or the same reason of NATS. */
export class DiscardLog {
  readonly #log: Logger;
  readonly #known = new LruMap<object>(KINDS, LONGEST_KIND);
  #minute = 0;
  #lines = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param now In milliseconds since 1970. */
  add({ subject, sequence }: Message, { id, endpointKey, outcome }: Undeliverable, now: number): void {
    if (outcome.kind !== 'filtered' && outcome.kind !== 'deleteMarker') return;
    const error = outcome.detail;
    const kind = `${endpointKey} ${error}`;
    if (this.#known.get(kind) !== undefined) return;
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) this.#lines = 0;
    this.#minute = minute;
    if (this.#lines >= MAX_PER_MINUTE) return;
    this.#lines += 1;
    this.#known.set(kind, {});
    this.#log.info(
      { deliveryId: id, subject, sequence, error, hint: HINTS[outcome.kind] },
      'delivery.discarded',
    );
  }
}
