import { pino } from 'pino';
import { expect, it } from 'vitest';
import { endpointOf } from '../../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../../src/core/endpoint/registry.ts';
import type { Admission } from '../../../src/delivery/admission/admission.ts';
import { checkAll } from '../../../src/delivery/registry/auto-disable.ts';
import type { WebhookRegistry } from '../../../src/delivery/registry/webhook-registry.ts';
import { registeredRow } from '../../core/endpoint/registered-row.ts';

const HOUR = 3_600_000;
const NOW = 1000 * HOUR;
const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};

/** Checks one endpoint. @returns The writes to its row, and the hours in the log. */
async function checkEndpoint(
  failingSince: number | null,
  tracked: { deliveredAt?: number; failures: number },
  disableAfterHours = 120,
) {
  const endpoint = endpointOf(registeredRow({ failingSince }), { retries: RETRIES, disabled: 'park' });
  const done: unknown[] = [];
  const registry = {
    known: new Registry([endpoint]),
    noteFailing: async (_row: unknown, since: number | null) => void done.push(['note', since]),
    disable: async (_row: unknown, reason: string) => void done.push(['disable', reason]),
  };
  const endpoints = [{ key: endpoint.key, deliveredAt: Number.NEGATIVE_INFINITY, ...tracked }];
  const log = pino({ base: null, timestamp: false }, { write: (line) => done.push(JSON.parse(line).hours) });
  await checkAll(
    {
      admission: { endpoints: () => endpoints } as unknown as Admission,
      registry: registry as unknown as WebhookRegistry,
      disableAfterHours,
      log,
      now: () => NOW,
    },
    new Set(),
  );
  return done;
}

it.each([
  ['has failed several times is marked as failing', null, { failures: 3 }, [['note', NOW]]],
  ['has failed once is not marked', null, { failures: 1 }, []],
  ['has failed for some hours is not reported', NOW - 3 * HOUR, { failures: 9 }, []],
  ['has failed for half of the limit is reported', NOW - 60 * HOUR, { failures: 9 }, [60]],
  [
    'has accepted a webhook since then is not marked any more',
    NOW - 130 * HOUR,
    { failures: 9, deliveredAt: NOW - HOUR },
    [['note', null]],
  ],
  ['failed long ago, and once now, is not disabled', NOW - 500 * HOUR, { failures: 1 }, []],
  ['is marked as failing in the future is not disabled', NOW + 500 * HOUR, { failures: 9 }, []],
] as const)('an endpoint that %s', async (_what, failingSince, tracked, done) => {
  expect(await checkEndpoint(failingSince, tracked)).toEqual(done);
});

it('an endpoint that has failed for the whole limit is disabled, unless the limit is 0', async () => {
  expect(await checkEndpoint(NOW - 120 * HOUR, { failures: 9 })).toEqual([
    ['disable', 'every attempt has failed for 120 hours'],
  ]);
  expect(await checkEndpoint(NOW - 120 * HOUR, { failures: 9 }, 0)).toEqual([]);
});
