import { expect, test } from 'vitest';
import { KeyMemory } from '../../src/ingest/key-memory.ts';

const body = (text: string) => Buffer.from(text);

function memory(capacity = 10) {
  const clock = { now: 0 };
  return {
    clock,
    keys: new KeyMemory(
      capacity,
      () => 120_000,
      () => clock.now,
    ),
  };
}

test('the same body under the same id is the same webhook, and another body is not', () => {
  const { keys } = memory();
  expect(keys.claim('a', body('1'))).toBe('new');
  expect(keys.claim('a', body('1'))).toBe('same');
  expect(keys.claim('a', body('2'))).toBe('other');
  expect(keys.claim('b', body('2'))).toBe('new');
});

test('after the duplicate window of the stream, an id may be used again', () => {
  const { keys, clock } = memory();
  keys.claim('a', body('1'));
  clock.now = 119_999;
  expect(keys.claim('a', body('2'))).toBe('other');
  clock.now = 120_000;
  expect(keys.claim('a', body('2'))).toBe('new');
});

test('an id under which nothing was stored may be used again', () => {
  const { keys } = memory();
  keys.claim('a', body('1'));
  keys.forget('a');
  expect(keys.claim('a', body('2'))).toBe('new');
});

test('of more ids than it keeps, the oldest is forgotten', () => {
  const { keys } = memory(2);
  for (const id of ['a', 'b', 'c']) keys.claim(id, body('1'));
  expect(keys.claim('b', body('2'))).toBe('other');
  expect(keys.claim('a', body('2'))).toBe('new');
});
