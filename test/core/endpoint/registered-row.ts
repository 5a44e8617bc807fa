import type { EndpointRow } from '../../../src/core/endpoint/row.ts';

/** A row of `rule_webhooks` as the extension makes it. */
export function registeredRow(row: Partial<EndpointRow> = {}): EndpointRow {
  return {
    id: 1,
    name: 'orders',
    url: 'https://example.com/orders',
    method: 'POST',
    headers: {},
    timeoutMs: 5000,
    maxAttempts: 4,
    retryDelayMs: 1000,
    retryMultiplier: 2,
    retrySchedule: null,
    enabled: true,
    disabledReason: null,
    natsSubject: null,
    eventTypes: null,
    successStatuses: null,
    bodyTemplate: null,
    params: null,
    paused: false,
    pausedReason: null,
    maxConcurrency: null,
    rateLimit: null,
    secrets: [],
    hubSignature: false,
    failingSince: null,
    problem: null,
    ...row,
  };
}
