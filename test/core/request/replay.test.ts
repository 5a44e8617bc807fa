import { expect, it } from 'vitest';
import { isReplay } from '../../../src/core/request/headers.ts';

const replayed = (value?: string) =>
  isReplay({ header: (name) => (name === 'Webhook-Replayed' ? value : undefined) });

it.each([
  [undefined, false],
  ['', false],
  [' ', false],
  ['false', false],
  ['False', false],
  ['true', true],
  ['TRUE', true],
  [' True ', true],
])('the NATS header Webhook-Replayed: %j says whether it is a replay: %s', (value, expected) => {
  expect(replayed(value)).toBe(expected);
});

it.each(['yes', '1', 'true, true'])('%j is told, rather than guessed', (value) => {
  expect(replayed(value)).toEqual({ problem: 'the NATS header Webhook-Replayed is neither true nor false' });
});
