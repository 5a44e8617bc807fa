import { expect, it } from 'vitest';
import { evaluateHealth } from '../../src/delivery/health.ts';

const WELL = { nats: null, deadLetters: null, parking: null, order: null, postgres: null, settings: null };

it.each([
  ['ok if there is no problem', WELL, false, 'ok'],
  [
    'degraded if PostgreSQL is away, because webhooks are still delivered',
    { ...WELL, postgres: 'away' },
    false,
    'degraded',
  ],
  [
    'degraded if webhooks cannot be parked, because endpoints with capacity still get webhooks',
    { ...WELL, parking: 'full' },
    false,
    'degraded',
  ],
  [
    'degraded if settings differ from those of peers, because each worker delivers what it may',
    { ...WELL, settings: 'differ' },
    false,
    'degraded',
  ],
  ['failing if NATS is away', { ...WELL, nats: 'not connected' }, false, 'failing'],
  [
    'failing if dead letters cannot be stored',
    { ...WELL, deadLetters: 'full', postgres: 'away' },
    false,
    'failing',
  ],
  [
    'draining if the worker is stopping, even if NATS is away',
    { ...WELL, nats: 'not connected' },
    true,
    'draining',
  ],
] as const)('health is %s', (_what, troubles, draining, status) => {
  const health = evaluateHealth(troubles, draining);
  expect(health.status).toBe(status);
  expect(health.troubles).toEqual(
    Object.fromEntries(Object.entries(troubles).filter(([, trouble]) => trouble !== null)),
  );
});
