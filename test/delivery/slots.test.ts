import { expect, test } from 'vitest';
import { Slots } from '../../src/delivery/slots.ts';
import { until } from '../support/wait.ts';

/** Slots whose messages are numbers. Each message holds its slot until `finish` is called. */
function createSlots(concurrency: number) {
  const started: number[] = [];
  const holding = new Map<number, () => void>();
  const freeWhenCalled: number[] = [];
  const slots = new Slots(concurrency);
  slots.onFreed(() => void freeWhenCalled.push(slots.free()));
  const run = (message: number) =>
    slots.run(() => {
      started.push(message);
      return new Promise((resolve) => holding.set(message, resolve));
    });
  return { slots, run, started, freeWhenCalled, finish: (message: number) => holding.get(message)!() };
}

test('all slots are free at first', () => {
  const { slots } = createSlots(3);
  expect([slots.free(), slots.busy()]).toEqual([3, 0]);
});

test('a message holds a slot as soon as it is taken', () => {
  const { slots, run } = createSlots(3);
  run(1);
  run(2);
  expect([slots.free(), slots.busy()]).toEqual([1, 2]);
});

test('every message that is taken starts at once', async () => {
  const { run, started } = createSlots(3);
  for (const message of [1, 2, 3]) run(message);
  await until(() => started.length === 3);
  expect(started).toEqual([1, 2, 3]);
});

test('a slot is already free when the listener is called', async () => {
  const { run, started, freeWhenCalled, finish } = createSlots(2);
  run(1);
  run(2);
  await until(() => started.length === 2);
  finish(1);
  await until(() => freeWhenCalled.length === 1);
  finish(2);
  await until(() => freeWhenCalled.length === 2);
  expect(freeWhenCalled).toEqual([1, 2]);
});

test('slots without a message are idle', async () => {
  expect(await createSlots(1).slots.whenIdle(0)).toBe(true);
});

test('slots are idle when the last message has finished', async () => {
  const { slots, run, started, finish } = createSlots(2);
  run(1);
  run(2);
  await until(() => started.length === 2);
  const idle = Promise.all([slots.whenIdle(60_000), slots.whenIdle(60_000)]);
  finish(1);
  finish(2);
  expect(await idle).toEqual([true, true]);
});

test('the wait for idle slots ends after its time limit', async () => {
  const { slots, run } = createSlots(1);
  run(1);
  expect(await slots.whenIdle(10)).toBe(false);
});
