import { str } from 'envalid';
import { milliseconds } from './validators.ts';

/** The relay. */
export const outbox = {
  /**
   * How often the relay looks for rows while nothing waits, in milliseconds. Commits wake it at once, so this is only for commits
   * that it did not hear of. Behind PgBouncer no commit can wake it, and it looks every 20 ms unless this is set.
   * Too low: PostgreSQL answers many empty queries.
   * Too high: a webhook whose commit was not heard waits so long.
   * @default 1_000. Range 5 to 60_000. Env OUTBOX_POLL_MS.
   */
  OUTBOX_POLL_MS: milliseconds(
    5,
    60_000,
  )({ default: 1000, desc: 'how often the relay looks for rows while nothing wakes it (ms)' }),

  /**
   * Which rows of the outbox the relay adds to `rule_nats_publish_history`: `all`, `failures` (rows that NATS refuses) or `off`.
   * Without `all`, `nats_outbox_events` shows no published rows.
   * @default all. Env OUTBOX_HISTORY.
   */
  OUTBOX_HISTORY: str({
    choices: ['all', 'failures', 'off'] as const,
    default: 'all',
    desc: 'rows of the outbox that stay in a history: `all`, `failures`, `off`',
  }),
};
