import { makeValidator, str } from 'envalid';
import { items, milliseconds } from './validators.ts';

const PUBLISH_MODES = ['queue', 'nats', 'both'];

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

  /**
   * Which calls of the Rule Engine extension's queue (`rule_webhook_calls`) the relay publishes: those of webhooks with these values
   * of `publish_mode`, comma-separated, or `off`. For `both`, the extension publishes the same webhook to NATS itself, so it would
   * arrive twice.
   * @default queue,nats. Env CALL_PUBLISH_MODES.
   */
  CALL_PUBLISH_MODES: makeValidator<readonly string[]>((text) => {
    const modes = text.trim() === 'off' ? [] : items(text);
    const unknown = modes.find((mode) => !PUBLISH_MODES.includes(mode));
    if (unknown !== undefined || (modes.length === 0 && text.trim() !== 'off'))
      throw new TypeError(`"${text}" is not off, or a list of queue, nats and both`);
    return modes;
  })({
    default: ['queue', 'nats'],
    desc: 'calls of the extension that the relay publishes, by `publish_mode`, or `off`',
  }),
};
