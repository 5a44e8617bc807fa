import { expect, it } from 'vitest';
import type { RowOutcome } from '../../src/core/outbox/publish-outcome.ts';
import { AheadQueue } from '../../src/outbox/ahead-queue.ts';
import { Idle } from '../../src/outbox/idle.ts';
import type { WorkQueue } from '../../src/outbox/ports.ts';
import { PublishLoop } from '../../src/outbox/publish-loop.ts';
import { RelayReport } from '../../src/outbox/relay-report.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { HandClock } from '../support/hand-clock.ts';

const PUBLISHED: RowOutcome = {
  kind: 'published',
  subject: 'webhooks.a',
  sequence: 1,
  duplicate: false,
  latencyMs: 1,
};

const LEFT: RowOutcome = { kind: 'left', scope: 'all', trouble: 'the stream is full' };

/** Runs the loop of a queue for 3 s. NATS is always there, and the alarm can be armed. */
async function runLoop(clock: HandClock, queue: WorkQueue): Promise<void> {
  const alarm = { canRing: true, arm: async () => true, disarm() {}, onRing() {} };
  const idle = new Idle({ loops: 1, alarm, clock, pace: { pollMs: 1000, isPollSet: false } });
  const loop = new PublishLoop({
    queue,
    publisher: { isConnected: () => true },
    idle,
    report: new RelayReport(await createLogger({ level: 'silent', format: 'json' })),
    clock,
    random: () => 0.5,
  });
  loop.start();
  await clock.advanceAsync(3000);
  const stopped = loop.stop();
  idle.stop();
  await clock.advanceAsync(1000);
  await stopped;
}

/** The loop of a queue that goes ahead, on 2 rows that NATS does not take, in batches of at most 2. Returns how many were claimed. */
async function claimsWhileStreamIsFull(): Promise<readonly number[]> {
  const clock = new HandClock();
  const claims: number[] = [];
  let unlocked = 2;
  await runLoop(
    clock,
    new AheadQueue({
      name: 'a',
      mostRows: 2,
      async settleBatch({ most, begin }) {
        const { isFull, onClaimed } = begin();
        const claimed = Math.min(most, 2, unlocked);
        unlocked -= claimed;
        claims.push(claimed);
        onClaimed(claimed);
        if (claimed > 0) await new Promise<void>((resolve) => void clock.after(10, resolve));
        unlocked += claimed;
        return { isFull, leavesOut: false, outcomes: new Array(claimed).fill(LEFT) };
      },
    }),
  );
  return claims;
}

/** A loop that always finds a row, and publishes it in 10 ms. Full looks take `fullLookMs`, others 1 ms. */
async function looksOf(fullLookMs: number): Promise<readonly boolean[]> {
  const clock = new HandClock();
  const after = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  const looks: boolean[] = [];
  await runLoop(clock, {
    name: 'a',
    mostRows: 500,
    async settleBatch({ begin }) {
      const { isFull, onClaimed } = begin();
      looks.push(isFull);
      await after(isFull ? fullLookMs : 1);
      onClaimed(1);
      await after(10);
      return { isFull, leavesOut: false, outcomes: [PUBLISHED] };
    },
  });
  return looks;
}

it('while rows come, looks at all rows only once a second if dead rows make that slow', async () => {
  const looks = await looksOf(150);
  expect(looks.length).toBeGreaterThan(200);
  expect(looks.filter((isFull) => isFull).length).toBeLessThanOrEqual(4);
});

it('while rows come, looks at all rows each time if that is cheap: transactions commit in another order', async () => {
  expect(new Set(await looksOf(2))).toEqual(new Set([true]));
});

it('an empty batch that began before a failure does not end it: single rows show whether NATS takes messages again', async () => {
  const [first, ahead, ...later] = await claimsWhileStreamIsFull();
  expect([first, ahead]).toEqual([2, 0]);
  expect(new Set(later)).toEqual(new Set([1]));
  expect(later.length).toBeLessThan(8);
});
