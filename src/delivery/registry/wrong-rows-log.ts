import type { Endpoint } from '../../core/endpoint/endpoint.ts';
import { matches } from '../../core/subject.ts';
import { isPattern } from '../../core/subject-tree.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';

const INVALID = 'The messages of the endpoint stay parked. Correct the row of rule_webhooks and its secrets.';
const UNREACHABLE =
  'This group does not consume the nats_subject of the endpoint. Correct the row of rule_webhooks, or SUBJECT.';

export type WrongRowsLogOptions = {
  /** SUBJECT and ORDERED_SUBJECT: the subjects that this group consumes. */
  readonly subjects: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
};

/**
 * So many rows are checked at once, and the next ones after a pause in milliseconds: about 2 ms of work each time. Without pauses,
 * a registry of 100,000 rows would stop the deliveries for a second.
 */
const CHECKED_AT_ONCE = 100;
const PAUSE_MS = 10;

/** Logs each wrong row soon after it is read, before a message for it comes, and again only if what is wrong with it changes. */
export class WrongRowsLog {
  readonly #options: WrongRowsLogOptions;
  /** What is wrong with rows, by their ids. */
  readonly #logged = new Map<number, string>();
  /** Rows to check, by their ids. */
  readonly #waiting = new Map<number, Endpoint>();
  #cancel: (() => void) | null = null;

  constructor(options: WrongRowsLogOptions) {
    this.#options = options;
  }

  /** Takes rows that changed, and the ids of rows that were deleted. */
  onRows(changed: readonly Endpoint[], deleted: readonly number[]): void {
    for (const id of deleted) {
      this.#logged.delete(id);
      this.#waiting.delete(id);
    }
    for (const endpoint of changed) this.#waiting.set(endpoint.row.id, endpoint);
    if (this.#cancel === null) this.#checkSome();
  }

  stop(): void {
    this.#cancel?.();
    this.#waiting.clear();
  }

  #checkSome(): void {
    let left = CHECKED_AT_ONCE;
    for (const [id, endpoint] of this.#waiting) {
      if (left-- === 0) break;
      this.#waiting.delete(id);
      this.#check(endpoint);
    }
    this.#cancel =
      this.#waiting.size === 0 ? null : this.#options.clock.after(PAUSE_MS, () => this.#checkSome());
  }

  #check(endpoint: Endpoint): void {
    const { log, subjects } = this.#options;
    const { id, name, natsSubject } = endpoint.row;
    const error = endpoint.problem();
    if (error === null && isConsumed(natsSubject, subjects)) {
      this.#logged.delete(id);
      return;
    }
    const what = JSON.stringify([name, error ?? natsSubject]);
    if (this.#logged.get(id) === what) return;
    this.#logged.set(id, what);
    if (error !== null) log.warn({ endpoint: name, error, hint: INVALID }, 'endpoint.invalid');
    else
      log.warn({ endpoint: name, natsSubject, subjects, hint: UNREACHABLE }, 'endpoint.unreachable_subject');
  }
}

/**
 * True if this group consumes the subject. A subject with wildcards counts as consumed, because only some of its messages may
 * be.
 */
function isConsumed(natsSubject: string | null, subjects: readonly string[]): boolean {
  if (natsSubject === null || isPattern(natsSubject)) return true;
  return subjects.some((pattern) => matches(pattern, natsSubject));
}
