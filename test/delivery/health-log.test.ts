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

test('trouble that lasts is said once, with the reason, and once that it is over', () => {
  health = failing;
  vi.advanceTimersByTime(30 * SECOND_MS);
  health = well;
  vi.advanceTimersByTime(30 * SECOND_MS);
  expect(said).toEqual([
    expect.stringMatching(/^worker\.failing \{"nats":"no such consumer",/),
    'worker.recovered',
  ]);
});

test('trouble that is over in a moment is not spoken of', () => {
  vi.advanceTimersByTime(SECOND_MS / 2);
  health = failing;
  vi.advanceTimersByTime(SECOND_MS);
  health = well;
  vi.advanceTimersByTime(10 * SECOND_MS);
  expect(said).toEqual([]);
});

test('trouble that stays is said again every minute', () => {
  health = failing;
  vi.advanceTimersByTime(125 * SECOND_MS);
  expect(said).toHaveLength(3);
});

test('statistics speak for themselves', () => {
  health = degraded;
  vi.advanceTimersByTime(10 * SECOND_MS);
  expect(said).toEqual([]);
});
