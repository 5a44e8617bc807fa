import { expect, test } from 'vitest';
import type { Delivery } from '../../src/core/message/delivery.ts';
import type { Attempt, Outcome } from '../../src/core/retry/attempt.ts';
import { withLocalFaultRetry } from '../../src/delivery/local-fault-retry.ts';
import { until } from '../support/wait.ts';

const DELIVERY = { id: 'orders:1' } as Delivery;
const FAULTED: Outcome = { kind: 'localFault', code: 'EMFILE' };
const RESPONDED: Outcome = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };

/** A patient sender whose requests have these outcomes, one after the other, and then the last one. */
function patientOn(...outcomes: Outcome[]) {
  const stopping = new AbortController();
  const told: string[] = [];
  let sent = 0;
  const send = async (): Promise<Attempt> => {
    const outcome = outcomes[Math.min(sent++, outcomes.length - 1)]!;
    return { outcome, startedAt: sent, durationMs: 1 };
  };
  const deliver = withLocalFaultRetry(send, stopping.signal, (code) => told.push(code));
  return { stopping, told, sent: () => sent, deliver: (isOver = () => false) => deliver(DELIVERY, isOver) };
}

test('an attempt that was made is returned, whatever its outcome', async () => {
  const { deliver, told } = patientOn({ kind: 'unreachable', code: 'ECONNREFUSED', detail: '' });
  expect((await deliver()).outcome.kind).toBe('unreachable');
  expect(told).toEqual([]);
});

test('a fault of our own is waited out, and the attempt made after it', async () => {
  const { deliver, sent, told } = patientOn(FAULTED, RESPONDED);
  expect((await deliver()).outcome).toEqual(RESPONDED);
  expect([sent(), told]).toEqual([2, ['EMFILE']]);
});

test('what is over while a fault is waited out is not sent any more', async () => {
  const { deliver, sent } = patientOn(FAULTED, RESPONDED);
  expect((await deliver(() => true)).outcome).toEqual(FAULTED);
  expect(sent()).toBe(1);
});

test('many deliveries that wait are told as one, pause by pause', async () => {
  const { deliver, stopping, sent, told } = patientOn(FAULTED);
  const attempts = Array.from({ length: 100 }, () => deliver());
  await until(() => sent() === 200);
  stopping.abort();
  await Promise.all(attempts);
  expect(told).toEqual(['EMFILE', 'EMFILE']);
});

test('a shutdown ends the waiting: the fault is returned', async () => {
  const { deliver, stopping, sent } = patientOn(FAULTED);
  const attempt = deliver();
  await until(() => sent() === 1);
  stopping.abort();
  expect((await attempt).outcome).toEqual(FAULTED);
  expect(sent()).toBe(1);
});
