import { type Attempt, wasSent } from '../retry/attempt.ts';
import type { Disposition } from '../retry/disposition.ts';
import type { DeadLetterReason } from '../retry/verdict.ts';
import type { EndpointStateRow } from './endpoint-state.ts';

/** What one worker counted since its last flush. Additive: two workers' counters, or two flushes', may be summed. */
export type Counters = {
  /** Hand-outs settled here: acked, to be retried, or dead-lettered. */
  readonly delivered: number;
  /** Answered with a 2xx, or with what the endpoint's row counts as that. */
  readonly acknowledged: number;
  readonly retried: number;
  readonly deadLettered: number;
  /** Of `delivered`: those that the server had handed out before. */
  readonly redelivered: number;
  /** Hand-outs handed back: no stream took them, or they keep their order; not in `delivered`. */
  readonly handedBack: number;
  /** Hand-outs copied, for want of room, before their time, at a shutdown or for several endpoints; not in `delivered`. */
  readonly parked: number;
  /** Hand-outs that none of their endpoints wanted; not in `delivered`. */
  readonly dropped: number;
  /** HTTP requests made. */
  readonly attempts: number;
  /** Sum over `delivered` of the time from hand-out to verdict, in milliseconds. */
  readonly processingMs: number;
  /** Attempt rows and dead-letter rows that the full buffer could not keep. */
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

/** What one settled hand-out adds. @param attempt Null where none was to be made. */
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
  /** Without its query. */
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
  /** Null where there will be none. */
  readonly nextAttemptAt: number | null;
};

/** A row of `rule_nats_publish_history` with `success = false`: a delivery given up. */
export type DeadLetterRecord = {
  readonly deliveryId: string;
  readonly subject: string;
  readonly sequence: number;
  /** Null where there was none. */
  readonly endpointKey: string | null;
  /** Attempts made, this one included. */
  readonly attempts: number;
  readonly reason: DeadLetterReason;
  /** What went wrong, for a person. */
  readonly error: string;
  /** Null where there was none to send to. */
  readonly url: string | null;
  readonly durationMs: number;
  readonly at: number;
  /** The body as JSON; null where it is not to be stored. */
  readonly payload: string | null;
};

/** How far a queue group is in its stream. */
export type GroupProgress = {
  /** What waits for the group: never handed out, in flight, or to be tried again. */
  readonly pending: number;
  /** The stream that `ackFloor` counts in, by when it was made: milliseconds since 1970. */
  readonly streamCreatedAt: number;
  /** Everything up to this sequence is acknowledged. */
  readonly ackFloor: number;
};

/**
 * What one process did since its flush before, to be stored in one transaction. Stored once even when it is sent
 * twice: (`instanceId`, `number`) says which flush it is, and a flush whose commit is uncertain is sent again unchanged.
 */
export type StatisticsFlush = {
  /** A UUID, new for every process. */
  readonly instanceId: string;
  /** 1, 2, 3, … within the instance. */
  readonly number: number;
  readonly streamName: string;
  /** CONSUMER_NAME: names the row of `rule_nats_consumer_stats`; workers may share it. */
  readonly consumerName: string;
  readonly queueGroup: string;
  readonly counters: Counters;
  /** Null where NATS could not be asked. */
  readonly progress: GroupProgress | null;
  /** False in the last flush of a process. */
  readonly active: boolean;
  /** After this long without a flush, peers take the process for dead. */
  readonly silentAfterMs: number;
  readonly attempts: readonly AttemptRecord[];
  readonly deadLetters: readonly DeadLetterRecord[];
  /** Endpoints whose state changed since the flush before. */
  readonly endpoints: readonly EndpointStateRow[];
};
