import { expect, test } from 'vitest';
import type { Delivery } from '../../src/core/message/delivery.ts';
import type { Attempt, Outcome } from '../../src/core/retry/attempt.ts';
import { withLocalFaultRetry } from '../../src/delivery/local-fault-retry.ts';
import { until } from '../support/wait.ts';

const DELIVERY = { id: 'orders:1' } as Delivery;
const LOCAL_FAULT: Outcome = { kind: 'localFault', code: 'EMFILE' };
const RESPONDED: Outcome = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };

/** A sender whose requests have these outcomes in turn. The last outcome repeats. */
function senderWith(...outcomes: Outcome[]) {
  const stopping = new AbortController();
  const reported: string[] = [];
  let sent = 0;
  const send = async (): Promise<Attempt> => {
    const outcome = outcomes[Math.min(sent++, outcomes.length - 1)]!;
    return { outcome, startedAt: sent, durationMs: 1 };
  };
  const deliver = withLocalFaultRetry(send, stopping.signal, (code) => reported.push(code));
  return {
    stopping,
    reported,
    sent: () => sent,
    deliver: (isOver = () => false) => deliver(DELIVERY, isOver),
  };
}

test('every outcome except a local fault is returned at once', async () => {
  const { deliver, reported } = senderWith({ kind: 'unreachable', code: 'ECONNREFUSED', detail: '' });
  expect((await deliver()).outcome.kind).toBe('unreachable');
  expect(reported).toEqual([]);
});

test('a request is sent again after the delay of a local fault', async () => {
  const { deliver, sent, reported } = senderWith(LOCAL_FAULT, RESPONDED);
  expect((await deliver()).outcome).toEqual(RESPONDED);
  expect([sent(), reported]).toEqual([2, ['EMFILE']]);
});

test('a delivery that is over after the delay of a local fault is not sent again', async () => {
  const { deliver, sent } = senderWith(LOCAL_FAULT, RESPONDED);
  expect((await deliver(() => true)).outcome).toEqual(LOCAL_FAULT);
  expect(sent()).toBe(1);
});

test('a local fault of many deliveries is reported once per delay', async () => {
  const { deliver, stopping, sent, reported } = senderWith(LOCAL_FAULT);
  const attempts = Array.from({ length: 100 }, () => deliver());
  await until(() => sent() === 200);
  stopping.abort();
  await Promise.all(attempts);
  expect(reported).toEqual(['EMFILE', 'EMFILE']);
});

test('a shutdown ends the delay, and the local fault is returned', async () => {
  const { deliver, stopping, sent } = senderWith(LOCAL_FAULT);
  const attempt = deliver();
  await until(() => sent() === 1);
  stopping.abort();
  expect((await attempt).outcome).toEqual(LOCAL_FAULT);
  expect(sent()).toBe(1);
});
