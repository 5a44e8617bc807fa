import type { ParsedMessage } from '../core/message/envelope.ts';
import { hasTimeToLive } from '../core/message/time-to-live.ts';
import { parkedQueueKey } from '../core/parked-queue-key.ts';
import { countSettled } from '../core/records/statistics.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import { type Attempt, attemptsMade } from '../core/retry/attempt.ts';
import { isParked } from '../core/retry/disposition.ts';
import type { RetryPolicy, Verdict } from '../core/retry/verdict.ts';
import { scheduledKeyFor } from '../core/scheduled-queue.ts';
import type { Logger } from '../runtime/logger.ts';
import type { AckPendingMonitor } from './ack-pending-monitor.ts';
import type { Admission } from './admission/admission.ts';
import type { EndpointLimitsWatcher } from './admission/limits-watcher.ts';
import type { DeferredMessages } from './deferred-messages.ts';
import { deliveryKeyOf, endpointKeyOf } from './delivery-key.ts';
import type { DeliverySteps } from './handle-message.ts';
import type { Message } from './message.ts';
import { OrderIgnoredLog } from './order-ignored-log.ts';
import type { QueueReader } from './parked/queue-reader.ts';
import type { WebhookRegistry } from './registry/webhook-registry.ts';
import { isUndeliverable, type Undeliverable } from './resolve.ts';
import type { SettlementEffects, Settler } from './settler.ts';
import { logAttempt, logFanOut } from './statistics/attempt-log.ts';
import type { CallResults } from './statistics/call-results.ts';
import { DiscardLog } from './statistics/discard-log.ts';
import { DiscardRows } from './statistics/discard-rows.ts';
import { type AttemptLog, attemptRecord, deadLetterRecord } from './statistics/records.ts';
import type { Statistics } from './statistics/statistics.ts';

/** State of the parked stream. */
export interface ParkedStreamState {
  /** Why copies cannot be stored now; null if they can. */
  problem(): string | null;
  /** True if the stream has a limit, and may have refused copies. */
  canFill(): boolean;
}

export type StepsOptions<M extends Message> = {
  /** For messages that name their URL themselves. */
  readonly policy: RetryPolicy;
  /** MAX_AGE_HOURS, in milliseconds; 0: none. */
  readonly maxAgeMs: number;
  /** ATTEMPT_LOG. */
  readonly attemptLog: AttemptLog;
  /** The most bytes of a body that are stored with the row of a dead letter; 0: none. */
  readonly storedBytes: number;
  parse(message: M): ParsedMessage;
  readonly send: DeliverySteps<M>['send'];
  readonly effects: Pick<SettlementEffects<M>, 'copyObstacle'>;
  readonly settler: Pick<Settler<M>, 'settle' | 'fanOut' | 'hasRequeued'>;
  /** True if the source of messages gave messages back unsent. */
  hasGivenBack(): boolean;
  readonly parkedStream: ParkedStreamState;
  readonly admission: Pick<Admission, 'admit' | 'isClosedFor' | 'targetFor'>;
  /** The queues of the parked stream: of endpoints, and of scheduled messages. */
  readonly parkedQueues: Pick<QueueReader<M>, 'onParked'>;
  readonly ackPending: Pick<AckPendingMonitor, 'isNearLimit' | 'onRetry'>;
  readonly registry: Pick<WebhookRegistry, 'snapshot' | 'problem' | 'refreshed' | 'disableGone'>;
  readonly limits: Pick<EndpointLimitsWatcher, 'pauseUntilRegistryIsRead'>;
  readonly deferred: Pick<DeferredMessages<M>, 'deferUntil'>;
  readonly statistics: Pick<Statistics, 'add'>;
  readonly calls: Pick<CallResults, 'add'>;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/** The steps of a message without an ordering key. */
export function createDeliverySteps<M extends Message>(options: StepsOptions<M>): DeliverySteps<M> {
  const { effects, settler, parkedStream, admission, parkedQueues, ackPending } = options;
  const { registry, limits, deferred, statistics, log, now } = options;
  const discards = new DiscardLog(log);
  const orderIgnored = new OrderIgnoredLog(log);
  const discardRows = new DiscardRows();
  return {
    policy: options.policy,
    maxAgeMs: options.maxAgeMs,
    parse: options.parse,
    send: options.send,
    registry: () => registry.snapshot,
    targetFor: (target, parkedKey) => admission.targetFor(target, parkedKey),

    admit(message, { target }) {
      const fits = effects.copyObstacle(message) === null;
      // The earlier worker may have parked the message again. Then this copy is a duplicate, and parking it once more removes it.
      if (message.isRedeliveredCopy && fits && parkedStream.problem() === null)
        return { kind: 'noCapacity', reason: 'NATS delivered this copy before, and no worker settled it' };
      const { isParkedCopy, attemptNumber } = message;
      return admission.admit(target, { isParkedCopy, isRetry: attemptNumber > 1, cannotPark: !fits });
    },

    // Earlier and other workers do not report whether they requeued messages. So every condition under which they do so counts.
    hasRequeued: (message) =>
      settler.hasRequeued() ||
      options.hasGivenBack() ||
      parkedStream.canFill() ||
      parkedStream.problem() !== null ||
      effects.copyObstacle(message) !== null,

    retryVia(message, delivery) {
      // NATS would remove a message with a Nats-TTL while it waits in its stream, without a dead letter. A copy stays.
      if (message.isParkedCopy || ackPending.isNearLimit() || hasTimeToLive(message)) return 'park';
      return !isUndeliverable(delivery) && admission.isClosedFor(delivery.target) ? 'park' : 'nak';
    },

    async fanOut(message, fanOut) {
      const { id, endpointKeys } = fanOut;
      const obstacle = effects.copyObstacle(message);
      if (obstacle !== null) return tooLarge(id, endpointKeys.length, obstacle);
      const disposition = await settler.fanOut(message, fanOut);
      if (isParked(disposition) && message.orderingKey === null)
        for (const key of endpointKeys) parkedQueues.onParked(key);
      logFanOut(log, message, fanOut, disposition);
      statistics.add(countSettled(null, disposition, message.isRedelivery), null, null);
      return null;
    },

    async settle(message, delivery, attempt, verdict) {
      const endpointKey = endpointKeyOf(delivery);
      if (attempt.outcome.kind === 'localFault' && isUndeliverable(delivery)) {
        // The row that the message needs may be newer than the last read. So the message waits for the next read.
        if (registry.problem === null && deferred.deferUntil(message, registry.refreshed())) {
          message.detach();
          return { kind: 'deferred' };
        }
        limits.pauseUntilRegistryIsRead(endpointKey);
      }
      const disposition = await settler.settle(message, deliveryKeyOf(delivery), attempt, verdict);
      if (isParked(disposition))
        parkedQueues.onParked(parkedQueueKey(endpointKey, attemptsOfCopy(message, attempt, verdict)));
      if (disposition.kind === 'schedule') parkedQueues.onParked(scheduledKeyFor(disposition.dueAt, now()));
      if (disposition.kind === 'deadLetter' && disposition.reason === 'gone' && !isUndeliverable(delivery))
        registry.disableGone(delivery);
      if (disposition.kind === 'retry') ackPending.onRetry();
      return disposition;
    },

    record(message, delivery, attempt, disposition) {
      logAttempt(log, message, delivery, attempt, disposition);
      orderIgnored.add(message, now());
      options.calls.add(message, delivery.id, attempt, disposition);
      if (disposition.kind === 'discard' && isUndeliverable(delivery)) discards.add(message, delivery, now());
      const row = attemptRecord(message, delivery, attempt, disposition, options.attemptLog);
      const isStored = row?.verdict !== 'discard' || discardRows.mayStore(row, now());
      statistics.add(
        countSettled(attempt, disposition, message.isRedelivery),
        isStored ? row : null,
        deadLetterRecord(message, delivery, attempt, disposition, options.storedBytes),
      );
    },

    now,
    random: options.random,
  };
}

/** The steps of a message for which no slot is free: the message is parked, whatever its endpoint. */
export function withoutSlot<M extends Message>(steps: DeliverySteps<M>): DeliverySteps<M> {
  return { ...steps, admit: () => ({ kind: 'noCapacity', reason: 'this worker has no free slot' }) };
}

/**
 * Attempts that the parked copy of the message counts: this one too if it is over. A message whose dead letter cannot be stored may be
 * parked as well.
 */
function attemptsOfCopy({ attemptNumber }: Message, { outcome }: Attempt, { kind }: Verdict): number {
  const isTried = kind === 'retry' || kind === 'deadLetter';
  return isTried ? attemptsMade(attemptNumber, outcome) : attemptNumber - 1;
}

function tooLarge(id: string, endpoints: number, obstacle: string): Undeliverable {
  const detail = `the message is for ${endpoints} endpoints, and cannot be copied for each: ${obstacle}`;
  return {
    id,
    endpointKey: NO_ENDPOINT_KEY,
    webhookId: null,
    outcome: { kind: 'undeliverable', reason: 'malformed', detail },
  };
}
