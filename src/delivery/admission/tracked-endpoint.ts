import type { AttemptKind, EndpointLimiter } from '../../core/capacity/endpoint-limiter.ts';
import type { Origin } from '../../core/capacity/origin.ts';
import { RetryTurns } from '../../core/capacity/retry-turns.ts';
import { parkedQueueKey } from '../../core/parked-queue-key.ts';
import type { EndpointStateRow, EndpointStatus } from '../../core/records/endpoint-state.ts';
import type { Target } from '../../core/request/target.ts';
import type { Attempt } from '../../core/retry/attempt.ts';

/** The message that asks for a permit. */
export type AdmissionRequest = {
  /** The message comes from a parked queue of its endpoint. */
  readonly isParkedCopy: boolean;
  /** The message was tried before. */
  readonly isRetry: boolean;
  /**
   * The message cannot be parked. So it waits, and gets a permit even without capacity, unless an operator has paused the
   * endpoint.
   */
  readonly cannotPark: boolean;
};

/** One attempt may start. The holder calls `release` once, with the result of the attempt. */
export type Permit = { readonly kind: 'permit'; release(attempt: Attempt): void };
export type Rejected = { readonly kind: 'noCapacity'; readonly reason: string };

/** A message that waits in its slot. */
export type Waiter = {
  readonly since: number;
  readonly target: Target;
  readonly kind: AttemptKind;
  readonly cannotPark: boolean;
  /** The message waits to be the probe of an open circuit breaker. */
  readonly awaitsProbe: boolean;
  resolve(answer: Permit | Rejected): void;
};

/** A message that waits in its slot for an extra attempt, until a newer message arrives. */
export type NewestWaiter = {
  readonly since: number;
  readonly target: Target;
  resolve(permit: Permit): void;
  /** The message is parked. */
  reject(): void;
};

/** Pulls the messages of one queue. */
export interface QueueConsumer {
  /** Messages that were asked for and are about to come. They go before other messages. */
  outstanding(): number;
  /** Pulls more, if there is capacity. */
  pullMore(): void;
  /** Sends no new pulls. Messages that are on their way still arrive. */
  stop(): Promise<void>;
}

/** One of the two parked queues of an endpoint, as this worker knows it. */
export type ParkedQueue = {
  readonly key: string;
  readonly endpoint: TrackedEndpoint;
  /** The messages of the queue were tried before. */
  readonly isTried: boolean;
  /** The consumer that pulls from the queue; null: none does now. */
  consumer: QueueConsumer | null;
  /** Messages in the queue at the last count; null: not counted yet. */
  messages: number | null;
  /** When this worker last parked a message there, on the clock of `AdmissionOptions`. */
  parkedAt: number;
};

/** An endpoint, as this worker knows it. */
export type TrackedEndpoint = {
  readonly key: string;
  /** The origin, or a URL without its query; null if only the key is known, from the parked queue. */
  url: string | null;
  /** Shared with the other endpoints at the same scheme, host and port; null if only the key is known. */
  origin: Origin | null;
  readonly limiter: EndpointLimiter;
  readonly retryTurns: RetryTurns;
  /** First attempts that wait in their slots, and retries that do. */
  readonly waiters: Waiter[];
  readonly waitingRetries: Waiter[];
  /** The message that arrived last, while it waits for an extra attempt. */
  newest: NewestWaiter | null;
  /** The parked queues of messages that were not tried, and of messages that were tried before. */
  readonly untried: ParkedQueue;
  readonly tried: ParkedQueue;
  /** Messages that were not tried are parked, and new messages queue behind them. */
  hasBacklog: boolean;
  /** `pullMore` is scheduled for the consumers of the parked queues. */
  isWakePending: boolean;
  /** When the last attempt started, on the clock of `AdmissionOptions.clock`. */
  usedAt: number;
  /** When a message was rejected last, on the same clock: it is parked now, or soon. */
  rejectedAt: number;
  /** The endpoint is evicted: its key may belong to a newer object. */
  isEvicted: boolean;
  /** The most attempts in flight in the current and in the previous window of 10 s. */
  peak: number;
  previousPeak: number;
  /** Slots that other endpoints must leave to this one, by its recent peak; 0 while it does not answer. */
  reservedSlots: number;
  lastError: string | null;
  /** When the last webhook was delivered, in milliseconds since 1970, and how many attempts failed since then. */
  deliveredAt: number;
  failures: number;
  /** The log shows the endpoint as unhealthy or paused. */
  isReported: boolean;
  /** The state at the last check, and when that state began, in milliseconds since 1970. */
  status: EndpointStatus | null;
  since: number;
  /** The row that was last taken for PostgreSQL. */
  lastReported: EndpointStateRow | null;
  /** When the row was taken, on the clock of `AdmissionOptions.clock`. */
  reportedAt: number;
};

export function newTrackedEndpoint(key: string, limiter: EndpointLimiter, now: number): TrackedEndpoint {
  const endpoint = {
    key,
    url: null,
    origin: null,
    limiter,
    retryTurns: new RetryTurns(),
    waiters: [],
    waitingRetries: [],
    newest: null,
    hasBacklog: false,
    isWakePending: false,
    usedAt: now,
    rejectedAt: Number.NEGATIVE_INFINITY,
    isEvicted: false,
    peak: 0,
    previousPeak: 0,
    reservedSlots: 0,
    lastError: null,
    deliveredAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    isReported: false,
    status: null,
    since: 0,
    lastReported: null,
    reportedAt: now,
  } as unknown as TrackedEndpoint;
  // Each queue knows its endpoint.
  return Object.assign(endpoint, {
    untried: newParkedQueue(endpoint, false),
    tried: newParkedQueue(endpoint, true),
  });
}

function newParkedQueue(endpoint: TrackedEndpoint, isTried: boolean): ParkedQueue {
  return {
    key: parkedQueueKey(endpoint.key, isTried ? 1 : 0),
    endpoint,
    isTried,
    consumer: null,
    messages: null,
    parkedAt: Number.NEGATIVE_INFINITY,
  };
}

/** Messages in both parked queues of the endpoint at the last count; null: not counted yet. */
export function parkedOf({ untried, tried }: TrackedEndpoint): number | null {
  return untried.messages === null && tried.messages === null
    ? null
    : (untried.messages ?? 0) + (tried.messages ?? 0);
}

/** Which kind of attempt the message asks for. */
export function kindOf({ isRetry, isParkedCopy }: AdmissionRequest): AttemptKind {
  if (isRetry) return 'retry';
  return isParkedCopy ? 'parked' : 'fresh';
}

/** The messages that wait before one of this kind. */
export function waitersOf({ waiters, waitingRetries }: TrackedEndpoint, kind: AttemptKind): Waiter[] {
  return kind === 'retry' ? waitingRetries : waiters;
}

/** How many messages wait in slots for a permit of the endpoint. */
export function waitingAt({ waiters, waitingRetries, newest }: TrackedEndpoint): number {
  return waiters.length + waitingRetries.length + (newest === null ? 0 : 1);
}

/** True if messages that were not tried wait for the endpoint, in slots or parked. */
export function hasWaitingFirsts({ waiters, untried }: TrackedEndpoint): boolean {
  return waiters.length > 0 || (untried.messages ?? 0) > 0;
}

/** True if the endpoint is paused, does not answer, or answers only with failures. */
export function isUnhealthy({ limiter }: TrackedEndpoint, now: number): boolean {
  return (
    limiter.limits.paused !== null ||
    !limiter.breaker.isClosed() ||
    limiter.responsiveness === 'unresponsive' ||
    limiter.isUnresponsive(now)
  );
}

/** True if the endpoint is unhealthy, messages wait for it, or attempts hang. */
export function hasTrouble(endpoint: TrackedEndpoint, now: number): boolean {
  return (
    isUnhealthy(endpoint, now) ||
    endpoint.hasBacklog ||
    waitingAt(endpoint) > 0 ||
    (parkedOf(endpoint) ?? 0) > 0 ||
    endpoint.limiter.outsideWindow > 0
  );
}

/** An endpoint without attempts and without parked messages is idle after this long, in milliseconds. */
const EVICT_AFTER_MS = 600_000;

/**
 * True if the endpoint had no attempt and no message for EVICT_AFTER_MS, so that its statistics are outdated. An endpoint is
 * not idle before its open circuit breaker may probe, because a Retry-After may keep the breaker open for longer. The state of its
 * origin does not matter: other endpoints test it.
 */
export function isIdle(endpoint: TrackedEndpoint, now: number): boolean {
  const { limiter, untried, tried, hasBacklog, usedAt } = endpoint;
  const isRead = untried.consumer !== null || tried.consumer !== null;
  const isWanted =
    limiter.inFlight > 0 || waitingAt(endpoint) > 0 || isRead || hasBacklog || (parkedOf(endpoint) ?? 0) > 0;
  return !isWanted && !limiter.breaker.isOwnOpen(now) && now - usedAt > EVICT_AFTER_MS;
}
