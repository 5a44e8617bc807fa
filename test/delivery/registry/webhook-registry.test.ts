import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { EndpointRow } from '../../../src/core/endpoint/row.ts';
import { WebhookRegistry } from '../../../src/delivery/registry/webhook-registry.ts';
import { type Clock, systemClock } from '../../../src/runtime/clock.ts';
import { registeredRow } from '../../core/endpoint/registered-row.ts';
import { HandClock } from '../../support/hand-clock.ts';

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};

async function started(read: () => Promise<readonly EndpointRow[]>, clock: Clock = systemClock) {
  const lines: string[] = [];
  const registry = new WebhookRegistry({
    policy: { retries: RETRIES, disabled: 'park' },
    subjects: ['webhooks.*', 'webhooks.ordered.*'],
    rows: {
      read,
      listen: () => ({ stop() {} }),
      disable: async () => false,
      noteFailing: async () => false,
    },
    clock,
    log: pino({}, { write: (line) => lines.push(line) }),
  });
  await registry.start();
  await registry.stop();
  return { registry, logged: lines.join('') };
}

it('the registry logs a read that failed, and does not mention last known rows if there are none', async () => {
  const { registry, logged } = await started(async () => {
    throw new Error('permission denied for table rule_webhooks');
  });
  expect(registry.problem).toBe('rule_webhooks: permission denied for table rule_webhooks');
  expect(registry.known).toBeNull();
  expect(JSON.parse(logged)).toMatchObject({
    msg: 'registry.read_failed',
    error: 'permission denied for table rule_webhooks',
    hint: expect.stringContaining('messages without a URL are parked'),
  });
});

it('the registry logs an invalid row before a message needs the row, and does not log its secret', async () => {
  const { registry, logged } = await started(async () => [registeredRow({ secrets: ['no$ense'] })]);
  expect(registry.problem).toBeNull();
  expect(logged).toContain('"msg":"endpoint.invalid"');
  expect(logged).toContain('a signing_secret in rule_webhook_secrets is not whsec_<base64>');
  expect(logged).not.toContain('no$ense');
});

it('the registry reads once more for all concurrent calls of refreshed, and its snapshot has the start time of that read', async () => {
  let reads = 0;
  const { registry } = await started(async () => {
    reads++;
    return [registeredRow()];
  });
  const before = performance.now();
  await Promise.all([registry.refreshed(), registry.refreshed(), registry.refreshed()]);
  expect(reads).toBe(2);
  expect(registry.snapshot!.asOf).toBeGreaterThanOrEqual(before);
});

it('the registry keeps the time of its snapshot if it cannot read again', async () => {
  let isAway = false;
  const { registry } = await started(async () => {
    if (isAway) throw new Error('away');
    return [registeredRow()];
  });
  const known = registry.snapshot!.asOf;
  isAway = true;
  await registry.refreshed();
  expect([registry.snapshot!.asOf, registry.problem]).toEqual([known, 'rule_webhooks: away']);
});

it('the registry reports a read without an answer within 5 s as a problem, until the answer comes', async () => {
  const clock = new HandClock();
  let answer: (rows: readonly EndpointRow[]) => void = () => {};
  let hangs = false;
  const { registry, logged } = await started(
    async () => (hangs ? new Promise((resolve) => (answer = resolve)) : [registeredRow()]),
    clock,
  );
  hangs = true;
  await clock.advanceAsync(250);
  const renewed = registry.refreshed();
  await clock.advanceAsync(4999);
  expect(registry.problem).toBeNull();
  await clock.advanceAsync(1);
  expect(registry.problem).toBe('rule_webhooks: no answer within 5 s');
  answer([registeredRow()]);
  await renewed;
  expect([registry.problem, logged]).toEqual([null, '']);
});

it.each([
  ['webhook.orders', true],
  ['webhooks.orders.created', true],
  ['webhooks.orders', false],
  ['webhooks.ordered.customer-17', false],
  ['webhooks.orders.*', false],
  [null, false],
])('the registry logs that no consumer takes the nats_subject %s of a row: %s', async (natsSubject, isLogged) => {
  const { logged } = await started(async () => [registeredRow({ natsSubject })]);
  expect(logged.includes('"msg":"endpoint.unreachable_subject"')).toBe(isLogged);
});
