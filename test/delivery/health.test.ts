import { expect, it } from 'vitest';
import { evaluateHealth } from '../../src/delivery/health.ts';

const NO_PROBLEMS = {
  nats: null,
  deadLetters: null,
  parking: null,
  order: null,
  postgres: null,
  settings: null,
  configuration: null,
};

it.each([
  ['ok if there is no problem', NO_PROBLEMS, false, 'ok'],
  [
    'degraded if PostgreSQL is away, because webhooks are still delivered',
    { ...NO_PROBLEMS, postgres: 'away' },
    false,
    'degraded',
  ],
  [
    'degraded if webhooks cannot be parked, because endpoints with capacity still get webhooks',
    { ...NO_PROBLEMS, parking: 'full' },
    false,
    'degraded',
  ],
  [
    'degraded if settings differ from those of peers, because each worker delivers what it may',
    { ...NO_PROBLEMS, settings: 'differ' },
    false,
    'degraded',
  ],
  [
    'degraded if the durable is paused, because parked webhooks are still delivered',
    { ...NO_PROBLEMS, configuration: 'paused' },
    false,
    'degraded',
  ],
  ['failing if NATS is away', { ...NO_PROBLEMS, nats: 'not connected' }, false, 'failing'],
  [
    'failing if dead letters cannot be stored',
    { ...NO_PROBLEMS, deadLetters: 'full', postgres: 'away' },
    false,
    'failing',
  ],
  [
    'draining if the worker is stopping, even if NATS is away',
    { ...NO_PROBLEMS, nats: 'not connected' },
    true,
    'draining',
  ],
] as const)('health is %s', (_what, problems, draining, status) => {
  const health = evaluateHealth(problems, draining);
  expect(health.status).toBe(status);
  expect(health.troubles).toEqual(
    Object.fromEntries(Object.entries(problems).filter(([, problem]) => problem !== null)),
  );
});
