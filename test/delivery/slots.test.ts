import { expect, test } from 'vitest';
import { Slots } from '../../src/delivery/slots.ts';
import { until } from '../support/wait.ts';

/** Slots whose messages are numbers, each held until it is let go. */
function makeSlots(concurrency: number) {
  const started: number[] = [];
  const holding = new Map<number, () => void>();
  const freeWhenTold: number[] = [];
  const slots = new Slots(concurrency);
  slots.onFreed(() => void freeWhenTold.push(slots.free()));
  const run = (message: number) =>
    slots.run(() => {
      started.push(message);
      return new Promise((resolve) => holding.set(message, resolve));
    });
  return { slots, run, started, freeWhenTold, letGo: (message: number) => holding.get(message)!() };
}

test('all slots are free at first', () => {
  const { slots } = makeSlots(3);
  expect([slots.free(), slots.busy()]).toEqual([3, 0]);
});

test('a message has its slot from the moment it is taken', () => {
  const { slots, run } = makeSlots(3);
  run(1);
  run(2);
  expect([slots.free(), slots.busy()]).toEqual([1, 2]);
});

test('every message that is taken starts at once', async () => {
  const { run, started } = makeSlots(3);
  for (const message of [1, 2, 3]) run(message);
  await until(() => started.length === 3);
  expect(started).toEqual([1, 2, 3]);
});

test('a slot is free when it is told that it is', async () => {
  const { run, started, freeWhenTold, letGo } = makeSlots(2);
  run(1);
  run(2);
  await until(() => started.length === 2);
  letGo(1);
  await until(() => freeWhenTold.length === 1);
  letGo(2);
  await until(() => freeWhenTold.length === 2);
  expect(freeWhenTold).toEqual([1, 2]);
});

test('slots without a message are idle', async () => {
  expect(await makeSlots(1).slots.whenIdle(0)).toBe(true);
});

test('slots are idle when the last message is done', async () => {
  const { slots, run, started, letGo } = makeSlots(2);
  run(1);
  run(2);
  await until(() => started.length === 2);
  const idle = Promise.all([slots.whenIdle(60_000), slots.whenIdle(60_000)]);
  letGo(1);
  letGo(2);
  expect(await idle).toEqual([true, true]);
});

test('waiting for idle slots ends after its time', async () => {
  const { slots, run } = makeSlots(1);
  run(1);
  expect(await slots.whenIdle(10)).toBe(false);
});
