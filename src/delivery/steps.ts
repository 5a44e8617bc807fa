import type { ParsedMessage } from '../core/message/envelope.ts';
import { countSettled } from '../core/records/statistics.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import { isParked } from '../core/retry/disposition.ts';
import type { RetryPolicy } from '../core/retry/verdict.ts';
import { scheduledKeyFor } from '../core/scheduled-queue.ts';
import type { Logger } from '../runtime/logger.ts';
import type { AckPendingMonitor } from './ack-pending-monitor.ts';
import type { Admission } from './admission/admission.ts';
import type { EndpointLimitsWatcher } from './admission/limits-watcher.ts';
import type { DeferredMessages } from './deferred-messages.ts';
import type { DeliverySteps } from './handle-message.ts';
import type { Message } from './message.ts';
import type { ParkedQueueReader } from './parked/parked-reader.ts';
import type { ScheduledQueueReader } from './parked/scheduled-reader.ts';
import type { WebhookRegistry } from './registry/webhook-registry.ts';
import { endpointKeyOf, isUndeliverable, type Undeliverable } from './resolve.ts';
import type { SettlementEffects, Settler } from './settler.ts';
import { logAttempt, logFanOut } from './statistics/attempt-log.ts';
import { type AttemptLog, attemptRecord, deadLetterRecord } from './statistics/records.ts';
import type { Statistics } from './statistics/statistics.ts';

/** What is known of the parked stream. */
export interface ParkedStreamState {
  /** Why copies cannot be stored now; null: they can. */
  problem(): string | null;
  /** Whether the stream has a limit, and may have refused copies. */
  canFill(): boolean;
}

export type StepsOptions<M extends Message> = {
  /** For messages that name their URL themselves. */
  readonly policy: RetryPolicy;
  /** MAX_AGE_HOURS, in milliseconds; 0: none. */
  readonly maxAgeMs: number;
  /** ATTEMPT_LOG. */
  readonly attemptLog: AttemptLog;
  /** How much of a body is stored with a dead letter's row, in bytes; 0: nothing. */
  readonly storedBytes: number;
  parse(message: M): ParsedMessage;
  readonly send: DeliverySteps<M>['send'];
  readonly effects: Pick<SettlementEffects<M>, 'fits'>;
  readonly settler: Pick<Settler<M>, 'settle' | 'fanOut' | 'hasRequeued'>;
  readonly parkedStream: ParkedStreamState;
  readonly admission: Pick<Admission, 'admit' | 'isClosedFor'>;
  readonly parkedQueues: Pick<ParkedQueueReader<M>, 'onParked'>;
  readonly scheduledQueues: Pick<ScheduledQueueReader<M>, 'onParked'>;
  readonly ackPending: Pick<AckPendingMonitor, 'isNearLimit' | 'onRetry'>;
  readonly registry: Pick<WebhookRegistry, 'snapshot' | 'problem' | 'refreshed' | 'disableGone'>;
  readonly limits: Pick<EndpointLimitsWatcher, 'pauseUntilRegistryIsRead'>;
  readonly deferred: Pick<DeferredMessages<M>, 'deferUntil'>;
  readonly statistics: Pick<Statistics, 'add'>;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/** The steps of a message that needs no order. */
export function createDeliverySteps<M extends Message>(options: StepsOptions<M>): DeliverySteps<M> {
  const { effects, settler, parkedStream, admission, parkedQueues, scheduledQueues, ackPending } = options;
  const { registry, limits, deferred, statistics, log, now } = options;
  return {
    policy: options.policy,
    maxAgeMs: options.maxAgeMs,
    parse: options.parse,
    send: options.send,
    registry: () => registry.snapshot,

    admit(message, { target }) {
      const fits = effects.fits(message);
      // The lost worker may have parked the message again. Then this copy is one too many, and parking it once more removes it.
      if (message.isRedeliveredCopy && fits && parkedStream.problem() === null)
        return { kind: 'noCapacity', reason: 'a worker was lost with it' };
      return admission.admit(target, { isParkedCopy: message.isParkedCopy, cannotPark: !fits });
    },

    // Earlier workers, and others now, do not tell whether they requeued messages: whatever may have made them do so counts.
    hasRequeued: (message) =>
      settler.hasRequeued() ||
      parkedStream.canFill() ||
      parkedStream.problem() !== null ||
      !effects.fits(message),

    retryVia(message, delivery) {
      if (message.isParkedCopy || ackPending.isNearLimit()) return 'park';
      return !isUndeliverable(delivery) && admission.isClosedFor(delivery.target) ? 'park' : 'nak';
    },

    async fanOut(message, fanOut) {
      const { id, endpointKeys } = fanOut;
      if (!effects.fits(message)) return tooLarge(id, endpointKeys.length);
      const disposition = await settler.fanOut(message, id, endpointKeys);
      if (isParked(disposition) && message.orderingKey === null)
        for (const key of endpointKeys) parkedQueues.onParked(key);
      logFanOut(log, message, fanOut, disposition);
      statistics.add(countSettled(null, disposition, message.isRedelivery), null, null);
      return null;
    },

    async settle(message, delivery, attempt, verdict) {
      const endpointKey = endpointKeyOf(delivery);
      if (attempt.outcome.kind === 'localFault' && isUndeliverable(delivery)) {
        // The row that the message needs may be a moment old: it waits for the rows to be read once more.
        if (registry.problem === null && deferred.deferUntil(message, registry.refreshed())) {
          message.detach();
          return { kind: 'deferred' };
        }
        limits.pauseUntilRegistryIsRead(endpointKey);
      }
      const disposition = await settler.settle(message, { id: delivery.id, endpointKey }, attempt, verdict);
      if (isParked(disposition)) parkedQueues.onParked(endpointKey);
      if (disposition.kind === 'schedule')
        scheduledQueues.onParked(scheduledKeyFor(disposition.dueAt, now()));
      if (disposition.kind === 'deadLetter' && disposition.reason === 'gone' && !isUndeliverable(delivery))
        registry.disableGone(delivery);
      if (disposition.kind === 'retry') ackPending.onRetry();
      return disposition;
    },

    record(message, delivery, attempt, disposition) {
      logAttempt(log, message, delivery, attempt, disposition);
      statistics.add(
        countSettled(attempt, disposition, message.isRedelivery),
        attemptRecord(message, delivery, attempt, disposition, options.attemptLog),
        deadLetterRecord(message, delivery, attempt, disposition, options.storedBytes),
      );
    },

    now,
    random: options.random,
  };
}

/** The steps of a message for which there is no slot: it is parked, whichever endpoint it is for. */
export function withoutSlot<M extends Message>(steps: DeliverySteps<M>): DeliverySteps<M> {
  return { ...steps, admit: () => ({ kind: 'noCapacity', reason: 'this worker has no slot for it' }) };
}

function tooLarge(id: string, endpoints: number): Undeliverable {
  const detail =
    `it is for ${endpoints} endpoints, and too large for a copy to each, which has a few headers more: raise max_payload ` +
    'of nats-server, or publish less in one message';
  return {
    id,
    endpointKey: NO_ENDPOINT_KEY,
    outcome: { kind: 'undeliverable', reason: 'malformed', detail },
  };
}
