import { expect, test } from 'vitest';
import { OneProbe } from '../../../src/core/capacity/one-probe.ts';

test('everything is let in while answers come', () => {
  const probe = new OneProbe();
  expect([probe.admit(), probe.admit(), probe.isOpen]).toEqual([true, true, false]);
});

test('after a missing answer, one piece of work at a time is let in', () => {
  const probe = new OneProbe();
  probe.admit();
  probe.silent();
  expect([probe.isOpen, probe.admit(), probe.admit()]).toEqual([true, true, false]);
});

test('the next probe is let in when the one before has no answer either, or has not asked', () => {
  const probe = new OneProbe();
  probe.silent();
  expect(probe.admit()).toBe(true);
  probe.silent();
  expect(probe.admit()).toBe(true);
  probe.withdrawn();
  expect([probe.isOpen, probe.admit(), probe.admit()]).toEqual([true, true, false]);
});

test('one answer lets everything in again', () => {
  const probe = new OneProbe();
  probe.silent();
  probe.admit();
  probe.answered();
  expect([probe.isOpen, probe.admit(), probe.admit()]).toEqual([false, true, true]);
});
