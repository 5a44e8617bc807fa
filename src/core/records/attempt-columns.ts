import type { Attempt } from '../retry/attempt.ts';
import type { Disposition } from '../retry/disposition.ts';
import type { DeadLetterReason } from '../retry/verdict.ts';

/**
 * How a value is stored. `word`: one of a few words of the worker. `key`: a text that an index contains. `text`: any other text.
 * `count`: a whole number from 0. `id`: a whole number.
 * `duration`: in milliseconds. `time`: in milliseconds since 1970.
 */
export type StoredAs = 'word' | 'key' | 'text' | 'count' | 'id' | 'duration' | 'time';

export type Column<T> = {
  readonly name: string;
  readonly as: StoredAs;
  /** Never set at run time: it carries the type of the values for `RecordOf`. */
  readonly value?: T;
};

/** The fields of a record with these columns. */
export type RecordOf<C> = { readonly [K in keyof C]: C[K] extends Column<infer T> ? T : never };

const column = <T>(name: string, as: StoredAs): Column<T> => ({ name, as });

/**
 * The columns of `rule_nats_delivery_attempts`, of attempts and discarded messages, besides the name of the worker. Type and SQL
 * follow from this list.
 */
export const ATTEMPT_COLUMNS = {
  deliveryId: column<string>('delivery_id', 'key'),
  /** 0 for a discarded message. */
  attemptNumber: column<number>('attempt_number', 'count'),
  subject: column<string>('subject', 'text'),
  /** Of a discarded message: the first of its endpoints. */
  endpointKey: column<string>('endpoint_key', 'key'),
  /** Of the row of `rule_webhooks`; of a discarded message: the first of its rows. Null: the message names its URL. */
  webhookId: column<number | null>('webhook_id', 'id'),
  /** Without its query. Null for a discarded message. */
  url: column<string | null>('url', 'text'),
  /** Null for a discarded message. */
  method: column<string | null>('method', 'text'),
  outcome: column<Attempt['outcome']['kind']>('outcome', 'word'),
  status: column<number | null>('status', 'count'),
  error: column<string | null>('error', 'text'),
  /** The start of a failure's body. */
  responseExcerpt: column<string | null>('response_excerpt', 'text'),
  startedAt: column<number>('started_at', 'time'),
  durationMs: column<number>('duration_ms', 'duration'),
  verdict: column<Disposition['kind']>('verdict', 'word'),
  deadLetterReason: column<DeadLetterReason | null>('dead_letter_reason', 'word'),
  /** Null if no attempt follows. */
  nextAttemptAt: column<number | null>('next_attempt_at', 'time'),
  /** Null: the message names none. */
  eventType: column<string | null>('event_type', 'key'),
  /** `Webhook-Event-Id`. Null: the message has none. */
  eventId: column<string | null>('event_id', 'key'),
  /** `Webhook-Name` of an ordered message. Null: the last token of the subject is the name. */
  webhookName: column<string | null>('webhook_name', 'key'),
} as const;
