import type { Delivery } from '../../core/message/delivery.ts';
import type { Counters } from '../../core/records/statistics.ts';
import { withoutQuery } from '../../core/request/target.ts';
import { type Attempt, describeFailure } from '../../core/retry/attempt.ts';
import type { Disposition } from '../../core/retry/disposition.ts';
import { deadLetterDetail } from '../../core/retry/verdict.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Message } from '../message.ts';
import { type FanOut, isUndeliverable, type Undeliverable } from '../resolve.ts';

/**
 * Logs one line per delivery by NATS: at debug for an ack, a discard or a message that waits, at warn for everything else. The
 * line has no header, no body and no query.
 */
export function logAttempt(
  log: Logger,
  message: Message,
  delivery: Delivery | Undeliverable,
  attempt: Attempt,
  disposition: Disposition,
): void {
  const { outcome } = attempt;
  // A wait is not a failure, and not an attempt.
  const waits =
    outcome.kind === 'noCapacity' ||
    outcome.kind === 'notDue' ||
    outcome.kind === 'held' ||
    disposition.kind === 'deferred';
  const isQuiet = disposition.kind === 'ack' || disposition.kind === 'discard' || waits;
  const level = isQuiet ? 'debug' : 'warn';
  if (!log.isLevelEnabled(level)) return;
  log[level](
    {
      deliveryId: delivery.id,
      subject: message.subject,
      sequence: message.sequence,
      ...(isUndeliverable(delivery) ? {} : { method: delivery.method, url: withoutQuery(delivery.target) }),
      attemptNumber: message.attemptNumber,
      ...(attempt.wasResent ? { wasResent: true } : {}),
      outcome: outcome.kind,
      ...(outcome.kind === 'responded' ? { status: outcome.status } : {}),
      error:
        disposition.kind === 'deadLetter'
          ? deadLetterDetail(attempt, disposition)
          : (describeFailure(outcome) ?? undefined),
      durationMs: Math.round(attempt.durationMs),
      verdict: disposition.kind,
      ...('delayMs' in disposition ? { delayMs: disposition.delayMs } : {}),
      ...(disposition.kind === 'deadLetter' ? { reason: disposition.reason } : {}),
    },
    waits ? 'delivery.deferred' : 'delivery.attempted',
  );
}

/** Logs a fan-out, at debug. */
export function logFanOut(
  log: Logger,
  message: Message,
  { id, endpointKeys }: FanOut,
  disposition: Disposition,
): void {
  if (!log.isLevelEnabled('debug')) return;
  const { subject, sequence } = message;
  log.debug(
    { deliveryId: id, subject, sequence, endpoints: endpointKeys, verdict: disposition.kind },
    'delivery.fanned_out',
  );
}

/** The statistics line that the reference worker prints. `uptime` in seconds, `average` in milliseconds. */
export function statisticsLine(total: Counters, uptimeMs: number) {
  return {
    processed: total.settled,
    succeeded: total.acknowledged,
    failed: total.settled - total.acknowledged,
    average: total.settled === 0 ? 0 : Math.round((100 * total.processingMs) / total.settled) / 100,
    uptime: Math.round(uptimeMs / 1000),
  };
}
