import { type Attempt, wasSent } from '../retry/attempt.ts';
import type { Disposition } from '../retry/disposition.ts';
import type { DeadLetterReason } from '../retry/verdict.ts';
import type { ATTEMPT_COLUMNS, RecordOf } from './attempt-columns.ts';
import type { EndpointStateRow } from './endpoint-state.ts';
import type { RefusedRows } from './refusal.ts';
import type { InstanceDescription } from './worker-instance.ts';

/** A settled message, as the counters need it. */
type Happened = {
  /** Null if the message needed none. */
  readonly attempt: Attempt | null;
  readonly kind: Disposition['kind'];
  /** Acked, to be retried, or dead-lettered. */
  readonly isSettled: boolean;
  readonly isRedelivery: boolean;
};

type Counter = {
  /** Of `rule_nats_consumer_stats`. */
  readonly column: string;
  /** A whole number, or a sum of durations in milliseconds. */
  readonly unit: 'count' | 'milliseconds';
  /** What one settled message adds. */
  adds(happened: Happened): number;
};

const oneIf = (isCounted: boolean): number => (isCounted ? 1 : 0);

/** Everything that a worker counts. Types, sums and SQL follow from this list. */
export const COUNTERS = {
  /** Messages that this worker settled: acked, to be retried, or dead-lettered. A message counts once per delivery by NATS. */
  settled: {
    column: 'messages_delivered',
    unit: 'count',
    adds: ({ isSettled }) => oneIf(isSettled),
  },
  /** Answered with a 2xx, or with a status that the endpoint's row counts as delivered. */
  acknowledged: {
    column: 'messages_acknowledged',
    unit: 'count',
    adds: ({ kind }) => oneIf(kind === 'ack'),
  },
  retried: {
    column: 'messages_retried',
    unit: 'count',
    adds: ({ kind }) => oneIf(kind === 'retry'),
  },
  deadLettered: {
    column: 'messages_dead_lettered',
    unit: 'count',
    adds: ({ kind }) => oneIf(kind === 'deadLetter'),
  },
  /** The redeliveries among `settled`. */
  redelivered: {
    column: 'messages_redelivered',
    unit: 'count',
    adds: ({ isSettled, isRedelivery }) => oneIf(isSettled && isRedelivery),
  },
  /** Messages requeued: no stream stored them, or they must keep their order. Not in `settled`. */
  requeued: {
    column: 'messages_handed_back',
    unit: 'count',
    adds: ({ kind }) => oneIf(kind === 'requeued'),
  },
  /**
   * Messages copied to the parked stream: without capacity at the endpoint, not yet due, at a shutdown, or for several endpoints.
   * Not in `settled`.
   */
  parked: {
    column: 'messages_parked',
    unit: 'count',
    adds: ({ kind }) => oneIf(kind === 'park' || kind === 'schedule'),
  },
  /** Messages whose event no endpoint accepted, and delete markers of NATS. Not in `settled`. */
  discarded: {
    column: 'messages_dropped',
    unit: 'count',
    adds: ({ kind }) => oneIf(kind === 'discard'),
  },
  /** HTTP requests made. An attempt whose request was sent once more, because a kept connection broke, adds two. */
  attempts: {
    column: 'http_attempts',
    unit: 'count',
    adds: ({ attempt }) => {
      if (attempt === null || !wasSent(attempt.outcome)) return 0;
      return attempt.wasResent === true ? 2 : 1;
    },
  },
  /** The sum of the times from the delivery by NATS to the verdict, over `settled`, in milliseconds. */
  processingMs: {
    column: 'processing_time_ms_total',
    unit: 'milliseconds',
    adds: ({ isSettled, attempt }) => (isSettled && attempt !== null ? attempt.durationMs : 0),
  },
  /** Rows that were dropped because the buffer was full, or because PostgreSQL refused them. */
  rowsDropped: {
    column: 'rows_dropped',
    unit: 'count',
    adds: () => 0,
  },
} as const satisfies Record<string, Counter>;

/** The counters of one worker since its last flush. Additive: the counters of two workers, or of two flushes, may be summed. */
export type Counters = { readonly [K in keyof typeof COUNTERS]: number };

export const COUNTER_NAMES = Object.keys(COUNTERS) as readonly (keyof Counters)[];

const UNSETTLED: ReadonlySet<Disposition['kind']> = new Set([
  'discard',
  'requeued',
  'park',
  'schedule',
  'deferred',
]);

export const NO_COUNTERS = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0])) as Counters;

/** The counters of one settled message. @param attempt Null if the message needed none. */
export function countSettled(
  attempt: Attempt | null,
  { kind }: Disposition,
  isRedelivery: boolean,
): Counters {
  const happened: Happened = { attempt, kind, isSettled: !UNSETTLED.has(kind), isRedelivery };
  // To change a copy is many times as fast as to let an object grow, and this happens for each message.
  const counters: Changing = { ...NO_COUNTERS };
  for (const name of COUNTER_NAMES) counters[name] = COUNTERS[name].adds(happened);
  return counters;
}

/** Sums two sets of counters. Associative and commutative, with `NO_COUNTERS` as its zero. */
export function mergeCounters(a: Counters, b: Counters): Counters {
  const sum: Changing = { ...a };
  for (const name of COUNTER_NAMES) sum[name] += b[name];
  return sum;
}

type Changing = { -readonly [K in keyof Counters]: number };

/** A row of `rule_nats_delivery_attempts`. */
export type AttemptRecord = RecordOf<typeof ATTEMPT_COLUMNS>;

/** A row of `rule_nats_publish_history` with `success = false`: a delivery given up. */
export type DeadLetterRecord = {
  readonly deliveryId: string;
  readonly subject: string;
  readonly sequence: number;
  /** Null if there was no endpoint. */
  readonly endpointKey: string | null;
  /** Of the row of `rule_webhooks`; null: there is none, or it is not known. */
  readonly webhookId: number | null;
  /** Attempts made, with the last one. */
  readonly attempts: number;
  readonly reason: DeadLetterReason;
  /** What went wrong, for a person. */
  readonly error: string;
  /** Null if there was no URL to send to. */
  readonly url: string | null;
  readonly durationMs: number;
  readonly at: number;
  /** As in the row of an attempt. */
  readonly eventType: string | null;
  readonly eventId: string | null;
  readonly webhookName: string | null;
  /** The body as JSON; null if it must not be stored. */
  readonly payload: string | null;
};

/** The progress of a queue group in its stream. */
export type GroupProgress = {
  /** Messages that the group still has to settle: not yet delivered by NATS, in flight, or waiting for a retry. */
  readonly pending: number;
  /** When the stream that `ackFloor` belongs to was created, in milliseconds since 1970. */
  readonly streamCreatedAt: number;
  /** Every message up to this sequence is acked. */
  readonly ackFloor: number;
};

/**
 * The work of one process since its last flush, stored in one transaction. A flush whose commit is uncertain is sent again
 * unchanged, and stored only once: (`instanceId`, `number`) identifies the flush.
 */
export type StatisticsFlush = {
  /** A UUID, new for every process. */
  readonly instanceId: string;
  /** 1, 2, 3, … within the instance. */
  readonly number: number;
  readonly streamName: string;
  /** CONSUMER_NAME: names the row of `rule_nats_consumer_stats`. Several workers may share one name. */
  readonly consumerName: string;
  readonly queueGroup: string;
  /** What the process says of itself: stored with its first flush. */
  readonly description: InstanceDescription;
  readonly counters: Counters;
  /** Null if NATS could not be asked. */
  readonly progress: GroupProgress | null;
  /** False in the last flush of a process. */
  readonly active: boolean;
  /** After this time without a flush, the other workers take the process for dead. In milliseconds. */
  readonly silentAfterMs: number;
  readonly attempts: readonly AttemptRecord[];
  readonly deadLetters: readonly DeadLetterRecord[];
  /** The endpoints whose state changed since the last flush. */
  readonly endpoints: readonly EndpointStateRow[];
};

/** What became of a flush that is stored, perhaps without some of its parts. */
export type FlushReport = {
  /** Rows that PostgreSQL refused: left out, and added to the `rowsDropped` of the flush. */
  readonly refused: readonly RefusedRows[];
  /** False if PostgreSQL refused the counters: they belong into the next flush. */
  readonly areCountersStored: boolean;
  /** Rows that lack a right: they belong into the next flush. */
  readonly waiting: Pick<StatisticsFlush, 'attempts' | 'deadLetters' | 'endpoints'>;
  /** PostgreSQL's message about the missing right; null: no right is missing. */
  readonly missingRight: string | null;
};

export const ALL_STORED: FlushReport = {
  refused: [],
  areCountersStored: true,
  waiting: { attempts: [], deadLetters: [], endpoints: [] },
  missingRight: null,
};
