import type { RowOutcome } from '../core/outbox/publish-outcome.ts';
import type { Logger } from '../runtime/logger.ts';
import { ProblemLog } from '../runtime/problem-log.ts';

/** What a relay did since its start. */
export type RelayCounters = {
  /** Rows whose message NATS has stored, and that are deleted. */
  readonly published: number;
  /** Of `published`: NATS had the message already, and dropped this one. */
  readonly duplicates: number;
  /** Rows that were set aside: NATS never takes them. */
  readonly failed: number;
  /** Messages that NATS stored, while PostgreSQL then did not confirm that their rows are deleted: they may be published again. */
  readonly unconfirmed: number;
};

/** The parts of a relay that can have a trouble, as /health names them. */
export type TroubledPart = 'nats' | 'postgres' | 'stream' | 'workers' | 'rows';

const AGAIN_AFTER_MS = 60_000;
const WAITS = 'No row is lost or blamed: the rows wait in PostgreSQL, and the relay tries again by itself.';
const SET_ASIDE =
  'The row stays in rule_nats_outbox with failed_at, and webhook_outbox_retry(id) lets it be published again.';

/** Counts what a relay does, and says what goes wrong: in the log, and in /health. */
export class RelayReport {
  readonly #log: Logger;
  readonly #troubles = new Map<string, { readonly part: TroubledPart; readonly sentence: string }>();
  readonly #problems = new Map<string, ProblemLog>();
  readonly #counters = { published: 0, duplicates: 0, failed: 0, unconfirmed: 0 };

  constructor(log: Logger) {
    this.#log = log;
  }

  get counters(): RelayCounters {
    return { ...this.#counters };
  }

  /** What is wrong now, by part. */
  troubles(): Readonly<Partial<Record<TroubledPart, string>>> {
    return Object.fromEntries([...this.#troubles.values()].map(({ part, sentence }) => [part, sentence]));
  }

  count(outcomes: readonly RowOutcome[]): void {
    for (const outcome of outcomes) {
      if (outcome.kind === 'published') {
        this.#counters.published += 1;
        if (outcome.duplicate) this.#counters.duplicates += 1;
      } else if (outcome.kind === 'failed') {
        this.#counters.failed += 1;
        this.#problem('failed', () =>
          this.#log.error(
            { subject: outcome.subject, error: outcome.error, hint: SET_ASIDE },
            'outbox.row_failed',
          ),
        );
      }
    }
  }

  countUnconfirmed(messages: number): void {
    this.#counters.unconfirmed += messages;
  }

  /** @param source Which loop, or which part of the relay, has the trouble. */
  trouble(source: string, part: TroubledPart, sentence: string): void {
    this.#troubles.set(source + part, { part, sentence });
    this.#problem(source + part, () =>
      this.#log.warn({ part, queue: source, error: sentence, hint: WAITS }, 'relay.waiting'),
    );
  }

  over(source: string, ...parts: readonly TroubledPart[]): void {
    for (const part of parts) {
      if (this.#troubles.delete(source + part)) this.#problems.get(source + part)?.clear();
    }
  }

  #problem(key: string, say: () => void): void {
    const known = this.#problems.get(key) ?? new ProblemLog({ againAfterMs: AGAIN_AFTER_MS, quietMs: 1000 });
    this.#problems.set(key, known);
    known.report(say);
  }
}
