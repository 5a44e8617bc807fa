import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { EndpointRow } from '../../../src/core/endpoint/row.ts';
import { WebhookRegistry } from '../../../src/delivery/registry/webhook-registry.ts';
import { registeredRow } from '../../core/endpoint/registered-row.ts';

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};

async function started(read: () => Promise<readonly EndpointRow[]>) {
  const said: string[] = [];
  const registry = new WebhookRegistry({
    policy: { retries: RETRIES, disabled: 'park' },
    subjects: ['webhooks.*', 'webhooks.ordered.*'],
    rows: {
      read,
      listen: () => ({ stop() {} }),
      disable: async () => false,
      noteFailing: async () => false,
    },
    log: pino({}, { write: (line) => said.push(line) }),
  });
  await registry.start();
  await registry.stop();
  return { registry, said: said.join('') };
}

it('says what it cannot read, and does not speak of last known rows where there are none', async () => {
  const { registry, said } = await started(async () => {
    throw new Error('permission denied for table rule_webhooks');
  });
  expect(registry.problem).toBe('rule_webhooks: permission denied for table rule_webhooks');
  expect(registry.known).toBeNull();
  expect(JSON.parse(said)).toMatchObject({
    msg: 'registry.read_failed',
    error: 'permission denied for table rule_webhooks',
    hint: expect.stringContaining('messages without a URL are parked'),
  });
});

it('says which row is wrong before a message meets it, and nothing of a secret', async () => {
  const { registry, said } = await started(async () => [registeredRow({ secrets: ['no$ense'] })]);
  expect(registry.problem).toBeNull();
  expect(said).toContain('"msg":"endpoint.invalid"');
  expect(said).toContain('a signing_secret in rule_webhook_secrets is not whsec_<base64>');
  expect(said).not.toContain('no$ense');
});

it('reads once more for all that ask, and says when it began', async () => {
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

it('keeps the time of what it knows where it cannot read once more', async () => {
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

it('counts rows that do not come as those that cannot be read, until they do', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let answer: (rows: readonly EndpointRow[]) => void = () => {};
  let hangs = false;
  const { registry, said } = await started(async () =>
    hangs ? new Promise((resolve) => (answer = resolve)) : [registeredRow()],
  );
  hangs = true;
  await vi.advanceTimersByTimeAsync(250);
  const renewed = registry.refreshed();
  await vi.advanceTimersByTimeAsync(4999);
  expect(registry.problem).toBeNull();
  await vi.advanceTimersByTimeAsync(1);
  expect(registry.problem).toBe('rule_webhooks: no answer within 5 s');
  answer([registeredRow()]);
  await renewed;
  expect([registry.problem, said]).toEqual([null, '']);
});

it.each([
  ['webhook.orders', true],
  ['webhooks.orders.created', true],
  ['webhooks.orders', false],
  ['webhooks.ordered.customer-17', false],
  ['webhooks.orders.*', false],
  [null, false],
])('says of a row for %s that nothing is taken from there: %s', async (natsSubject, isSaid) => {
  const { said } = await started(async () => [registeredRow({ natsSubject })]);
  expect(said.includes('"msg":"endpoint.unreachable_subject"')).toBe(isSaid);
});
