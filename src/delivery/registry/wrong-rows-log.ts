import type { Endpoint } from '../../core/endpoint/endpoint.ts';
import { matches } from '../../core/subject.ts';
import type { Logger } from '../../runtime/logger.ts';

const INVALID = 'The messages of the endpoint stay parked. Correct the row of rule_webhooks and its secrets.';
const UNREACHABLE =
  'This group does not consume the nats_subject of the endpoint. Correct the row of rule_webhooks, or SUBJECT.';

/** Logs each wrong row when it is read, before a message for it comes, and again only if what is wrong with it changes. */
export class WrongRowsLog {
  readonly #subjects: readonly string[];
  readonly #log: Logger;
  #logged: ReadonlySet<string> = new Set();

  /** @param subjects SUBJECT and ORDERED_SUBJECT: the subjects that this group consumes. */
  constructor(subjects: readonly string[], log: Logger) {
    this.#subjects = subjects;
    this.#log = log;
  }

  /** Takes all rows, as they were just read. */
  onRead(endpoints: readonly Endpoint[]): void {
    const wrong = new Set<string>();
    for (const { row, request } of endpoints) {
      const isInvalid = request.kind !== 'request' && request.kind !== 'disabled';
      if (!isInvalid && isConsumed(row.natsSubject, this.#subjects)) continue;
      const what = JSON.stringify([row.name, isInvalid ? request.detail : row.natsSubject]);
      wrong.add(what);
      if (this.#logged.has(what)) continue;
      if (isInvalid)
        this.#log.warn({ endpoint: row.name, error: request.detail, hint: INVALID }, 'endpoint.invalid');
      else
        this.#log.warn(
          {
            endpoint: row.name,
            natsSubject: row.natsSubject,
            subjects: this.#subjects,
            hint: UNREACHABLE,
          },
          'endpoint.unreachable_subject',
        );
    }
    this.#logged = wrong;
  }
}

/**
 * True if this group consumes the subject. A subject with wildcards counts as consumed, because only some of its messages may
 * be.
 */
function isConsumed(natsSubject: string | null, subjects: readonly string[]): boolean {
  if (natsSubject === null || /[*>]/.test(natsSubject)) return true;
  return subjects.some((pattern) => matches(pattern, natsSubject));
}
