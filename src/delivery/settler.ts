import { hasTimeToLive } from '../core/message/time-to-live.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import { type Attempt, attemptsMade } from '../core/retry/attempt.ts';
import { type BackoffOptions, backoff } from '../core/retry/backoff.ts';
import type { Disposition } from '../core/retry/disposition.ts';
import { type DeadLetterReason, deadLetterDetail, type Verdict } from '../core/retry/verdict.ts';
import { scheduledKeyFor } from '../core/scheduled-queue.ts';
import { type Copy, copiesFor, copyAfterAttempt, copyOf } from './copies.ts';
import type { DeliveryKey } from './delivery-key.ts';
import type { Message } from './message.ts';
import type { FanOut } from './resolve.ts';

/**
 * How long a message waits that could not be parked and could not be held either, in milliseconds. Doubled with every delivery by
 * NATS, times 0.5 to 1.5 at random. Below 2 s, NATS would deliver the message again before anything has changed; above 60 s, it
 * would wait for long after the stream has capacity again.
 */
const REQUEUE_BACKOFF: BackoffOptions = { initialMs: 2000, maxMs: 60_000, jitter: 0.5 };
/** How long a message waits whose dead letter could not be stored, in milliseconds. */
const DEAD_LETTER_RETRY_MS = 5000;
/** The longest delay of one nak, in milliseconds: a month. After it, a message that is due later is delivered and nak'd again. */
const MAX_NAK_MS = 30 * 86_400_000;

/** What is stored in a dead letter besides its message. */
export type DeadLetterFacts = {
  readonly deliveryId: string;
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: there is none, or it is not known. */
  readonly webhookId: number | null;
  readonly reason: DeadLetterReason;
  /** For a person. */
  readonly detail: string;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly at: number;
};

/** What can be done with a message. Each effect reports what happened, and decides nothing. */
export interface SettlementEffects<M> {
  ack(message: M): void;
  /** NATS delivers the message again after `delayMs`; 0: at once. */
  nak(message: M, delayMs: number): void;
  /** Stores copies, then acks. Resolves to false if a copy is not stored: then the message is as it was. */
  park(message: M, copies: readonly Copy[]): Promise<boolean>;
  /** Why NATS can never take a copy of the message, with its limit, for a person. Null: NATS can take it. */
  copyObstacle(message: M): string | null;
  /** Stores a dead letter, then ends the message. Resolves to false if it is not stored: then the message is as it was. */
  deadLetter(message: M, facts: DeadLetterFacts): Promise<boolean>;
  /** Forgets an ordered message that NATS may have given to another worker. */
  abandon(message: M): void;
  /** True if NATS cannot have given the message to another worker. */
  isLeaseValid(message: M): boolean;
}

export type SettlerOptions<M> = {
  readonly effects: SettlementEffects<M>;
  /** Holds messages that no stream took. `defer` returns false if there is no memory left for the message. */
  readonly deferred: { defer(message: M): boolean };
  /** Holds messages that keep their order. `defer` returns false if there is no memory left for the message. */
  readonly ordered: { defer(message: M, endpointKey: string): boolean };
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/** Turns a verdict into effects, decides what follows if a stream refuses a copy, and returns what was really done. */
export class Settler<M extends Message> {
  readonly #options: SettlerOptions<M>;
  #hasRequeued = false;

  constructor(options: SettlerOptions<M>) {
    this.#options = options;
  }

  /** True if this worker has requeued a message because the message could be neither parked nor held. */
  hasRequeued(): boolean {
    return this.#hasRequeued;
  }

  async settle(message: M, key: DeliveryKey, attempt: Attempt, verdict: Verdict): Promise<Disposition> {
    const { effects } = this.#options;
    switch (verdict.kind) {
      case 'ack':
      case 'discard':
        effects.ack(message);
        return verdict;
      case 'retry':
        return this.#retry(message, key, attempt, verdict);
      case 'deadLetter':
        return this.#deadLetter(message, key, attempt, verdict);
      case 'park':
        return message.orderingKey === null
          ? this.#park(message, [copyOf(message, key)], verdict)
          : this.#keepInOrder(message, key.endpointKey);
      case 'schedule':
        return this.#schedule(message, key, verdict);
    }
  }

  /** Copies a message of which no attempt was made for each of these endpoints: each copy is a delivery of its own. */
  fanOut(message: M, fanOut: FanOut): Promise<Disposition> {
    return this.#park(message, copiesFor(fanOut), { kind: 'park' });
  }

  async #retry(
    message: M,
    key: DeliveryKey,
    { outcome }: Attempt,
    verdict: Extract<Verdict, { kind: 'retry' }>,
  ): Promise<Disposition> {
    const { effects, now } = this.#options;
    if (verdict.retryVia === 'park') {
      const copy = copyAfterAttempt(message, key, outcome, now() + verdict.delayMs);
      if (await effects.park(message, [copy])) return verdict;
    }
    effects.nak(message, verdict.delayMs);
    return { ...verdict, retryVia: 'nak' };
  }

  async #deadLetter(
    message: M,
    key: DeliveryKey,
    attempt: Attempt,
    verdict: Extract<Verdict, { kind: 'deadLetter' }>,
  ): Promise<Disposition> {
    const { id, endpointKey, lastingKey = endpointKey, webhookId } = key;
    const isStored = await this.#options.effects.deadLetter(message, {
      deliveryId: id,
      // A dead letter is stored once per key.
      endpointKey: lastingKey,
      webhookId,
      reason: verdict.reason,
      detail: deadLetterDetail(attempt, verdict),
      attempts: attemptsMade(message.attemptNumber, attempt.outcome),
      at: attempt.startedAt + attempt.durationMs,
    });
    if (isStored) return verdict;
    return (
      (await this.#parkedBeforeItsEnd(message, key, attempt)) ?? this.#requeue(message, DEAD_LETTER_RETRY_MS)
    );
  }

  /** NATS removes a message with a Nats-TTL also while its dead letter cannot be stored. A copy of the message stays. */
  async #parkedBeforeItsEnd(message: M, key: DeliveryKey, { outcome }: Attempt): Promise<Disposition | null> {
    if (message.isParkedCopy || message.orderingKey !== null || !hasTimeToLive(message)) return null;
    const { effects, now } = this.#options;
    const copy = copyAfterAttempt(message, key, outcome, now() + DEAD_LETTER_RETRY_MS);
    return (await effects.park(message, [copy])) ? { kind: 'park' } : null;
  }

  /** @param done What was done if every copy is stored. */
  async #park(message: M, copies: readonly Copy[], done: Verdict): Promise<Disposition> {
    const { effects, deferred, ordered } = this.#options;
    if (await effects.park(message, copies)) return done;
    const isHeld =
      message.orderingKey === null ? deferred.defer(message) : ordered.defer(message, NO_ENDPOINT_KEY);
    if (isHeld) return held(message);
    this.#hasRequeued = true;
    return this.#requeue(message, this.#requeueDelayMs(message));
  }

  #schedule(
    message: M,
    key: DeliveryKey,
    verdict: Extract<Verdict, { kind: 'schedule' }>,
  ): Promise<Disposition> | Disposition {
    const { effects, now } = this.#options;
    // If no copy of the message can be stored, or messages of its ordering key wait behind it, the message waits in its stream.
    if (message.orderingKey !== null || effects.copyObstacle(message) !== null)
      return this.#requeue(message, Math.min(MAX_NAK_MS, Math.max(0, verdict.dueAt - now())));
    // A copy for one endpoint is early by this worker's clock only: by the clock of another worker, the message was due. In the queue
    // of a minute, the copy would be for all endpoints of the message again.
    if (message.parkedEndpointKey !== null)
      return this.#park(message, [{ ...copyOf(message, key), notBefore: verdict.dueAt }], { kind: 'park' });
    // The copy has `notBefore` too, because older workers open every queue at once and read only `notBefore`.
    const endpointKey = scheduledKeyFor(verdict.dueAt, now());
    const copy = {
      ...copyOf(message, { id: key.id, endpointKey, webhookId: null }),
      endpointKey,
      notBefore: verdict.dueAt,
    };
    return this.#park(message, [copy], verdict);
  }

  /** A message that keeps its order is never parked: this worker holds it. */
  #keepInOrder(message: M, endpointKey: string): Disposition {
    const { effects, ordered } = this.#options;
    if (!effects.isLeaseValid(message)) {
      effects.abandon(message);
      return { kind: 'requeued', delayMs: 0 };
    }
    if (ordered.defer(message, endpointKey)) return held(message);
    return this.#requeue(message, this.#requeueDelayMs(message));
  }

  #requeue(message: M, delayMs: number): Disposition {
    this.#options.effects.nak(message, delayMs);
    return { kind: 'requeued', delayMs };
  }

  #requeueDelayMs({ deliveryCount }: M): number {
    return Math.round(backoff(REQUEUE_BACKOFF, deliveryCount, this.#options.random()));
  }
}

function held(message: Message): Disposition {
  message.detach();
  return { kind: 'deferred' };
}
