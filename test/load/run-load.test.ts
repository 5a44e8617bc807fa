import { describe, expect, test } from 'vitest';
import { Ledger, type SendResult } from '../../src/load/ledger.ts';
import type { PlannedMessage } from '../../src/load/plan.ts';
import { sendPlan } from '../../src/load/run-load.ts';
import { HandClock } from '../support/hand-clock.ts';

const messages = (...dueTimes: number[]): PlannedMessage[] =>
  dueTimes.map((dueMs, index) => ({ number: index + 1, dueMs, bytes: 64 }));

/** A run whose port takes `room` messages at once. `confirm` answers the oldest one. */
function startRun(plan: readonly PlannedMessage[], { room = 10, result = accepted } = {}) {
  const clock = new HandClock();
  const ledger = new Ledger();
  const stopping = new AbortController();
  const sentAt: [number: number, at: number][] = [];
  const answers: (() => void)[] = [];
  const free: (() => void)[] = [];
  const port = {
    async whenFree() {
      while (answers.length >= room) await new Promise<void>((resolve) => free.push(resolve));
    },
    send(number: number) {
      sentAt.push([number, clock.now()]);
      return new Promise<SendResult>((resolve) => answers.push(() => resolve(result(number))));
    },
  };
  const messageOf = ({ number }: PlannedMessage) => number;
  const report = sendPlan({ plan, messageOf, port, ledger, signal: stopping.signal, clock });
  const confirm = () => {
    answers.shift()?.();
    free.shift()?.();
  };
  return { clock, ledger, report, sentAt, confirm, stop: () => stopping.abort() };
}

function accepted(number: number): SendResult {
  return { kind: 'accepted', id: String(number), duplicate: false };
}

describe('a run', () => {
  test('sends each message when it is due, also if none was confirmed', async () => {
    const { clock, sentAt, report, confirm } = startRun(messages(0, 100, 100, 250));
    await clock.advanceAsync(300);
    expect(sentAt).toEqual([
      [1, 0],
      [2, 100],
      [3, 100],
      [4, 250],
    ]);
    for (let count = 0; count < 4; count++) confirm();
    expect(await report).toEqual({ tookMs: 300, behindMs: 0, stoppedBy: null });
  });

  test('counts latency from when a message was due, although it was sent late', async () => {
    const { clock, ledger, report, confirm } = startRun(messages(0, 10), { room: 1 });
    await clock.advanceAsync(500);
    confirm();
    await clock.advanceAsync(0);
    ledger.arrived('2', clock.now(), 200);
    confirm();
    expect(await report).toMatchObject({ behindMs: 490 });
    expect(ledger.latencies()!.max).toBe(490);
  });

  test('that is stopped sends nothing more, and ends when the messages under way are confirmed', async () => {
    const { clock, ledger, sentAt, report, confirm, stop } = startRun(messages(0, 100, 200));
    await clock.advanceAsync(50);
    stop();
    await clock.advanceAsync(500);
    expect(sentAt).toEqual([[1, 0]]);
    confirm();
    await report;
    expect(ledger.totals()).toMatchObject({ sent: 1, accepted: 1 });
  });

  test('ends at a refusal that would meet every further message, and says why', async () => {
    const result = (): SendResult => ({ kind: 'refused', reason: 'no stream', endsRun: true });
    const { clock, sentAt, report, confirm } = startRun(messages(0, 60_000), { result });
    await clock.advanceAsync(0);
    confirm();
    await clock.advanceAsync(0);
    expect(await report).toMatchObject({ stoppedBy: 'no stream' });
    expect(sentAt).toHaveLength(1);
  });
});
