import { expect, it } from 'vitest';
import { evaluateHealth } from '../../src/delivery/health.ts';

const WELL = { nats: null, deadLetters: null, parking: null, order: null, postgres: null };

it.each([
  ['all is well', WELL, false, 'ok'],
  ['PostgreSQL is away: deliveries go on', { ...WELL, postgres: 'away' }, false, 'degraded'],
  [
    'webhooks cannot be parked: those with room are delivered',
    { ...WELL, parking: 'full' },
    false,
    'degraded',
  ],
  ['NATS is away', { ...WELL, nats: 'not connected' }, false, 'failing'],
  ['dead letters find no place', { ...WELL, deadLetters: 'full', postgres: 'away' }, false, 'failing'],
  ['it is stopping, whatever else', { ...WELL, nats: 'not connected' }, true, 'draining'],
] as const)('health when %s', (_what, troubles, draining, status) => {
  const health = evaluateHealth(troubles, draining);
  expect(health.status).toBe(status);
  expect(health.troubles).toEqual(
    Object.fromEntries(Object.entries(troubles).filter(([, trouble]) => trouble !== null)),
  );
});
