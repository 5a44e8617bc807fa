import type { Settings } from '../../config/settings.ts';
import { createMessageParser } from '../../core/message/envelope.ts';
import { countSettled } from '../../core/records/statistics.ts';
import { NO_ENDPOINT_KEY } from '../../core/request/target.ts';
import { isParked, type RetryPolicy } from '../../core/retry/verdict.ts';
import { scheduledKeyFor } from '../../core/scheduled-queue.ts';
import type { AckPendingMonitor } from '../../delivery/ack-pending-monitor.ts';
import type { Admission } from '../../delivery/admission/admission.ts';
import type { EndpointLimitsWatcher } from '../../delivery/admission/limits-watcher.ts';
import type { DeferredMessages } from '../../delivery/deferred-messages.ts';
import type { DeliverySteps } from '../../delivery/handle-message.ts';
import type { ParkedQueueReader } from '../../delivery/parked/parked-reader.ts';
import type { ScheduledQueueReader } from '../../delivery/parked/scheduled-reader.ts';
import type { WebhookRegistry } from '../../delivery/registry/webhook-registry.ts';
import { endpointKeyOf, isUndeliverable, type Undeliverable } from '../../delivery/resolve.ts';
import { logAttempt, logFanOut } from '../../delivery/statistics/attempt-log.ts';
import { attemptRecord, deadLetterRecord } from '../../delivery/statistics/records.ts';
import type { Statistics } from '../../delivery/statistics/statistics.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Topology } from '../topology/topology.ts';
import type { Settling } from './settlement.ts';

const HOUR_MS = 3_600_000;

export type StepsParts = Settling & {
  readonly settings: Settings;
  readonly log: Logger;
  readonly topology: Topology;
  readonly statistics: Statistics;
  readonly admission: Admission;
  readonly parkedQueues: ParkedQueueReader;
  readonly scheduledQueues: ScheduledQueueReader;
  readonly ackPending: AckPendingMonitor;
  readonly registry: WebhookRegistry;
  readonly limits: EndpointLimitsWatcher;
  readonly deferred: DeferredMessages<ReceivedMessage>;
  readonly send: DeliverySteps<ReceivedMessage>['send'];
};

/** Wires what the journey of a message needs. */
export function assembleSteps(parts: StepsParts): DeliverySteps<ReceivedMessage> {
  const {
    settings,
    log,
    topology,
    statistics,
    admission,
    parkedQueues,
    scheduledQueues,
    ackPending,
    registry,
    limits,
    deferred,
    parkedWriter,
    settlement,
    send,
  } = parts;
  const storedBytes = settings.STORE_PAYLOADS === 'none' ? 0 : settings.STORE_PAYLOAD_BYTES;
  return {
    policy: retryPolicy(settings),
    maxAgeMs: settings.MAX_AGE_HOURS * HOUR_MS,
    parse: createMessageParser(settings.ENDPOINT_KEY),
    admit(message, { target }) {
      const fits = parkedWriter.fits(message);
      // The worker that was lost may have parked it again: then this copy is one too many, and parking it once more is its end.
      if (message.isRedeliveredCopy && fits && parkedWriter.problem() === null)
        return { kind: 'noCapacity', reason: 'a worker was lost with it' };
      return admission.admit(target, { isParkedCopy: message.isParkedCopy, cannotPark: !fits });
    },
    registry: () => registry.snapshot,
    send,
    // Workers before this one, and peers, do not tell: those that may have had to hand back count, too.
    hasRequeued: (message) =>
      settlement.hasRequeued() ||
      topology.parkedCanFill ||
      parkedWriter.problem() !== null ||
      !parkedWriter.fits(message),
    retryVia(message, delivery) {
      const isQueued = message.isParkedCopy || ackPending.isNearLimit();
      return isQueued || (!isUndeliverable(delivery) && admission.isClosedFor(delivery.target))
        ? 'park'
        : 'nak';
    },
    async fanOut(message, fanOut) {
      const { id, endpointKeys } = fanOut;
      if (!parkedWriter.fits(message)) return tooLarge(id, endpointKeys.length);
      const disposition = await settlement.fanOut(message, id, endpointKeys);
      if (isParked(disposition) && message.orderingKey === null)
        for (const key of endpointKeys) parkedQueues.onParked(key);
      logFanOut(log, message, fanOut, disposition);
      statistics.add(countSettled(null, disposition, message.isRedelivery), null, null);
      return null;
    },
    async settle(message, delivery, attempt, verdict) {
      const { id } = delivery;
      const endpointKey = endpointKeyOf(delivery);
      const { outcome } = attempt;
      if (outcome.kind === 'localFault' && isUndeliverable(delivery)) {
        // Somebody may have registered it a moment ago.
        if (registry.problem === null && deferred.deferUntil(message, registry.refreshed())) {
          message.detach();
          return { kind: 'deferred' };
        }
        limits.pauseUntilRegistryIsRead(endpointKey);
      }
      const disposition = await settlement.settle(message, { id, endpointKey }, attempt, verdict);
      if (isParked(disposition)) parkedQueues.onParked(endpointKey);
      if (disposition.kind === 'schedule')
        scheduledQueues.onParked(scheduledKeyFor(disposition.dueAt, Date.now()));
      if (disposition.kind === 'deadLetter' && disposition.reason === 'gone' && !isUndeliverable(delivery))
        registry.disableGone(delivery);
      if (disposition.kind === 'retry') ackPending.onRetry();
      return disposition;
    },
    record(message, delivery, attempt, disposition) {
      logAttempt(log, message, delivery, attempt, disposition);
      statistics.add(
        countSettled(attempt, disposition, message.isRedelivery),
        attemptRecord(message, delivery, attempt, disposition, settings.ATTEMPT_LOG),
        deadLetterRecord(message, delivery, attempt, disposition, storedBytes),
      );
    },
    now: Date.now,
    random: Math.random,
  };
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

export function retryPolicy(settings: Settings): RetryPolicy {
  return {
    maxAttempts: settings.MAX_ATTEMPTS,
    terminalStatuses: new Set(settings.TERMINAL_STATUSES),
    backoff: {
      baseMs: settings.BACKOFF_BASE_MS,
      maxMs: settings.BACKOFF_MAX_MS,
      multiplier: 2,
      retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
    },
  };
}
