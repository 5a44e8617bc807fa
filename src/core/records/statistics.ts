import { type Attempt, wasSent } from '../retry/attempt.ts';
import type { Disposition } from '../retry/disposition.ts';
import type { DeadLetterReason } from '../retry/verdict.ts';
import type { EndpointStateRow } from './endpoint-state.ts';

/** The counters of one worker since its last flush. Additive: the counters of two workers, or of two flushes, may be summed. */
export type Counters = {
  /** Messages that this worker settled: acked, to be retried, or dead-lettered. A message counts once per delivery by NATS. */
  readonly delivered: number;
  /** Answered with a 2xx, or with a status that the endpoint's row counts as delivered. */
  readonly acknowledged: number;
  readonly retried: number;
  readonly deadLettered: number;
  /** The redeliveries among `delivered`. */
  readonly redelivered: number;
  /** Messages requeued: no stream stored them, or they must keep their order. Not in `delivered`. */
  readonly handedBack: number;
  /**
   * Messages copied to the parked stream: without capacity at the endpoint, not yet due, at a shutdown, or for several endpoints.
   * Not in `delivered`.
   */
  readonly parked: number;
  /** Messages whose event no endpoint accepted. Not in `delivered`. */
  readonly dropped: number;
  /** HTTP requests made. */
  readonly attempts: number;
  /** The sum of the times from the delivery by NATS to the verdict, over `delivered`, in milliseconds. */
  readonly processingMs: number;
  /** Attempt rows and dead-letter rows that were dropped because the buffer was full. */
  readonly rowsDropped: number;
};

export const NO_COUNTERS: Counters = {
  delivered: 0,
  acknowledged: 0,
  retried: 0,
  deadLettered: 0,
  redelivered: 0,
  handedBack: 0,
  parked: 0,
  dropped: 0,
  attempts: 0,
  processingMs: 0,
  rowsDropped: 0,
};

const UNSETTLED: ReadonlySet<Disposition['kind']> = new Set([
  'discard',
  'requeued',
  'park',
  'schedule',
  'deferred',
]);

/** The counters of one settled message. @param attempt Null if the message needed none. */
export function countSettled(
  attempt: Attempt | null,
  { kind }: Disposition,
  isRedelivery: boolean,
): Counters {
  const settled = UNSETTLED.has(kind) ? 0 : 1;
  return {
    delivered: settled,
    acknowledged: kind === 'ack' ? 1 : 0,
    retried: kind === 'retry' ? 1 : 0,
    deadLettered: kind === 'deadLetter' ? 1 : 0,
    redelivered: settled === 1 && isRedelivery ? 1 : 0,
    handedBack: kind === 'requeued' ? 1 : 0,
    parked: kind === 'park' || kind === 'schedule' ? 1 : 0,
    dropped: kind === 'discard' ? 1 : 0,
    attempts: attempt !== null && wasSent(attempt.outcome) ? 1 : 0,
    processingMs: settled === 1 && attempt !== null ? attempt.durationMs : 0,
    rowsDropped: 0,
  };
}

/** Sums two sets of counters. Associative and commutative, with `NO_COUNTERS` as its zero. */
export function mergeCounters(a: Counters, b: Counters): Counters {
  return {
    delivered: a.delivered + b.delivered,
    acknowledged: a.acknowledged + b.acknowledged,
    retried: a.retried + b.retried,
    deadLettered: a.deadLettered + b.deadLettered,
    redelivered: a.redelivered + b.redelivered,
    handedBack: a.handedBack + b.handedBack,
    parked: a.parked + b.parked,
    dropped: a.dropped + b.dropped,
    attempts: a.attempts + b.attempts,
    processingMs: a.processingMs + b.processingMs,
    rowsDropped: a.rowsDropped + b.rowsDropped,
  };
}

/** A row of `rule_nats_delivery_attempts`. Times in milliseconds since 1970, durations in milliseconds. */
export type AttemptRecord = {
  readonly deliveryId: string;
  readonly attemptNumber: number;
  readonly subject: string;
  readonly endpointKey: string;
  /** The URL without its query. */
  readonly url: string;
  readonly method: string;
  readonly outcome: Attempt['outcome']['kind'];
  readonly status: number | null;
  readonly error: string | null;
  /** The start of a failure's body. */
  readonly responseExcerpt: string | null;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly verdict: Disposition['kind'];
  readonly deadLetterReason: DeadLetterReason | null;
  /** Null if no attempt follows. */
  readonly nextAttemptAt: number | null;
};

/** A row of `rule_nats_publish_history` with `success = false`: a delivery given up. */
export type DeadLetterRecord = {
  readonly deliveryId: string;
  readonly subject: string;
  readonly sequence: number;
  /** Null if there was no endpoint. */
  readonly endpointKey: string | null;
  /** Attempts made, with the last one. */
  readonly attempts: number;
  readonly reason: DeadLetterReason;
  /** What went wrong, for a person. */
  readonly error: string;
  /** Null if there was no URL to send to. */
  readonly url: string | null;
  readonly durationMs: number;
  readonly at: number;
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
