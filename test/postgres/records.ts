import { randomUUID } from 'node:crypto';
import type { EndpointStateRow } from '../../src/core/records/endpoint-state.ts';
import {
  type AttemptRecord,
  type Counters,
  type DeadLetterRecord,
  NO_COUNTERS,
  type StatisticsFlush,
} from '../../src/core/records/statistics.ts';

/** A flush of a new instance of `webhook-worker-1`. Everything that the test does not give is empty. */
export function flushOf(
  parts: Partial<Omit<StatisticsFlush, 'counters'>> & { counters?: Partial<Counters> } = {},
): StatisticsFlush {
  return {
    instanceId: randomUUID(),
    number: 1,
    streamName: 'WEBHOOKS',
    consumerName: 'webhook-worker-1',
    queueGroup: 'webhook-workers',
    description: { version: '0.2.0', features: [], settings: {} },
    progress: null,
    active: true,
    silentAfterMs: 30_000,
    attempts: [],
    deadLetters: [],
    endpoints: [],
    ...parts,
    counters: { ...NO_COUNTERS, ...parts.counters },
  };
}

/** A first attempt that was answered with 200. */
export function attemptOf(parts: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    deliveryId: 'delivery-1',
    attemptNumber: 1,
    subject: 'webhooks.orders',
    endpointKey: 'example.com-0a1b2c3d',
    webhookId: null,
    url: 'https://example.com/hook',
    method: 'POST',
    outcome: 'responded',
    status: 200,
    error: null,
    responseExcerpt: null,
    startedAt: Date.now(),
    durationMs: 12.5,
    verdict: 'ack',
    deadLetterReason: null,
    nextAttemptAt: null,
    eventType: null,
    eventId: null,
    webhookName: null,
    ...parts,
  };
}

/** A first attempt that was answered with 503. */
export function failedAttemptOf(parts: Partial<AttemptRecord> = {}): AttemptRecord {
  return attemptOf({
    status: 503,
    error: 'HTTP 503',
    verdict: 'retry',
    nextAttemptAt: Date.now() + 1000,
    ...parts,
  });
}

export function deadLetterOf(parts: Partial<DeadLetterRecord> = {}): DeadLetterRecord {
  return {
    deliveryId: 'delivery-1',
    subject: 'webhooks.orders',
    sequence: 1,
    endpointKey: 'example.com-0a1b2c3d',
    webhookId: null,
    attempts: 7,
    reason: 'exhausted',
    error: 'HTTP 503',
    url: 'https://example.com/hook',
    durationMs: 12.5,
    at: Date.now(),
    payload: null,
    eventType: null,
    eventId: null,
    webhookName: null,
    ...parts,
  };
}

/** The state of an endpoint whose circuit breaker is open. */
export function endpointStateOf(parts: Partial<EndpointStateRow> = {}): EndpointStateRow {
  return {
    endpointKey: 'example-com-0a1b2c3d',
    url: 'https://example.com',
    state: 'failing',
    inFlight: 0,
    waiting: 0,
    parked: null,
    successes: 0,
    failures: 0,
    lastError: null,
    since: Date.now(),
    why: null,
    ...parts,
  };
}
