import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { evaluateHealth, type Health, logHealth } from '../../src/delivery/health.ts';
import type { Logger } from '../../src/runtime/logger.ts';

const SECOND_MS = 1000;
const well = evaluateHealth(
  { nats: null, deadLetters: null, parking: null, order: null, postgres: null },
  false,
);
const failing = evaluateHealth(
  { nats: 'no such consumer', deadLetters: null, parking: null, order: null, postgres: null },
  false,
);
const degraded = evaluateHealth(
  { nats: null, deadLetters: null, parking: null, order: null, postgres: 'away' },
  false,
);

let said: string[];
let health: Health;
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  health = well;
  const log = {
    info: (_fields: object, event: string) => said.push(event),
    error: (troubles: object, event: string) => said.push(`${event} ${JSON.stringify(troubles)}`),
  };
  stop = logHealth(() => health, log as unknown as Logger);
});

afterEach(() => {
  stop();
  vi.useRealTimers();
});

test('a problem that lasts is logged once with its reason, and once when it is over', () => {
  health = failing;
  vi.advanceTimersByTime(30 * SECOND_MS);
  health = well;
  vi.advanceTimersByTime(30 * SECOND_MS);
  expect(said).toEqual([
    expect.stringMatching(/^worker\.failing \{"nats":"no such consumer",/),
    'worker.recovered',
  ]);
});

test('a problem that is over within a moment is not logged', () => {
  vi.advanceTimersByTime(SECOND_MS / 2);
  health = failing;
  vi.advanceTimersByTime(SECOND_MS);
  health = well;
  vi.advanceTimersByTime(10 * SECOND_MS);
  expect(said).toEqual([]);
});

test('a problem that stays is logged again every minute', () => {
  health = failing;
  vi.advanceTimersByTime(125 * SECOND_MS);
  expect(said).toHaveLength(3);
});

test('degraded health is not logged here, because the statistics log their own problem', () => {
  health = degraded;
  vi.advanceTimersByTime(10 * SECOND_MS);
  expect(said).toEqual([]);
});
