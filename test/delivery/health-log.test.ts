import { beforeEach, expect, test } from 'vitest';
import { evaluateHealth, type Health, logHealth } from '../../src/delivery/health.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { HandClock } from '../support/hand-clock.ts';

const SECOND_MS = 1000;
const ok = evaluateHealth(
  {
    nats: null,
    deadLetters: null,
    parking: null,
    order: null,
    postgres: null,
    settings: null,
    configuration: null,
  },
  false,
);
const failing = evaluateHealth(
  {
    nats: 'no such consumer',
    deadLetters: null,
    parking: null,
    order: null,
    postgres: null,
    settings: null,
    configuration: null,
  },
  false,
);
const degraded = evaluateHealth(
  {
    nats: null,
    deadLetters: null,
    parking: null,
    order: null,
    postgres: 'away',
    settings: null,
    configuration: null,
  },
  false,
);

let logged: string[];
let health: Health;
let clock: HandClock;

beforeEach(() => {
  logged = [];
  health = ok;
  const log = {
    info: (_fields: object, event: string) => logged.push(event),
    error: (problems: object, event: string) => logged.push(`${event} ${JSON.stringify(problems)}`),
  };
  clock = new HandClock();
  logHealth(() => health, log as unknown as Logger, clock);
});

test('a problem that lasts is logged once with its reason, and once when it is over', () => {
  health = failing;
  clock.advance(30 * SECOND_MS);
  health = ok;
  clock.advance(30 * SECOND_MS);
  expect(logged).toEqual([
    expect.stringMatching(/^worker\.failing \{"nats":"no such consumer",/),
    'worker.recovered',
  ]);
});

test('a problem that is over within a moment is not logged', () => {
  clock.advance(SECOND_MS / 2);
  health = failing;
  clock.advance(SECOND_MS);
  health = ok;
  clock.advance(10 * SECOND_MS);
  expect(logged).toEqual([]);
});

test('a problem that stays is logged again every minute', () => {
  health = failing;
  clock.advance(125 * SECOND_MS);
  expect(logged).toHaveLength(3);
});

test('degraded health is not logged here, because the statistics log their own problem', () => {
  health = degraded;
  clock.advance(10 * SECOND_MS);
  expect(logged).toEqual([]);
});
