import { LruMap } from '../core/lru-map.ts';
import { Header } from '../core/message/nats-headers.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Message } from './message.ts';

/** How many subjects are remembered. Above it, a subject that was not seen for long is logged again. */
const SUBJECTS = 100;
const LONGEST_SUBJECT = 1000;
/** The most lines in a minute: each message may have a subject of its own. */
const MAX_PER_MINUTE = 20;
const MINUTE_MS = 60_000;

const HINT =
  `The subject decides the order, and not the header ${Header.orderingKey}. Publish to webhooks.ordered.<key> with the header ` +
  `${Header.webhookName}, or with publish --ordering-key.`;

/** Logs messages that name an ordering key, and were published where nothing is delivered in order: once for each subject. */
export class OrderIgnoredLog {
  readonly #log: Logger;
  readonly #known = new LruMap<object>(SUBJECTS, LONGEST_SUBJECT);
  #minute = 0;
  #lines = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param now In milliseconds since 1970. */
  add(message: Pick<Message, 'subject' | 'sequence' | 'orderingKey' | 'header'>, now: number): void {
    const { subject, sequence, orderingKey } = message;
    if (orderingKey !== null || !message.header(Header.orderingKey)) return;
    if (this.#known.get(subject) !== undefined) return;
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) this.#lines = 0;
    this.#minute = minute;
    if (this.#lines >= MAX_PER_MINUTE) return;
    this.#lines += 1;
    this.#known.set(subject, {});
    this.#log.warn({ subject, sequence, hint: HINT }, 'delivery.order_ignored');
  }
}
