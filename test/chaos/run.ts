import { setTimeout as wait } from 'node:timers/promises';
import type { ChaosLoad } from './load.ts';
import type { Injection } from './plan.ts';
import type { ChaosQueue } from './queue.ts';

/** A fault under load. */
export type Fault = {
  readonly injections: readonly Injection[];
  /**
   * Injects the fault and cures it. Resolves to the time of the cure, on the clock of `performance.now()`; null if
   * deliveries should not have stopped at all.
   */
  inject(injection: Injection): Promise<number | null>;
  /** Cures, after the last injection, everything that the injections have left broken. */
  recover(): void;
  /** How long healthy flows publish alone before the first injection, in milliseconds. 0: no delivery times are compared. */
  readonly controlMs: number;
  /** The injections are repeated until so many messages are accepted. 0: each is injected once. */
  readonly messages: number;
  /** True if messages get lost, so that nothing waits for them. */
  readonly losesMessages: boolean;
};

export type ChaosMeasurement = {
  /**
   * Time from the cure to the first delivery after the longest pause, in milliseconds. Without a cure, the longest pause
   * itself.
   */
  readonly recoveryMs: number;
  /** Why the time was over too early; null if it was not. */
  readonly outOfTime: string | null;
};

/** Deliveries before the first injection, so that connections are open, and after each injection. */
const DELIVERIES_BETWEEN = 25;
/** A busy machine causes shorter pauses, in milliseconds. */
const PAUSE_MS = 200;
const LOOK_EVERY_MS = 100;
/** If messages get lost: after so many looks at empty queues, no message comes any more. */
const EMPTY_LOOKS = 10;

/** @param givesUpAt When missing messages count as lost, on the clock of `performance.now()`. */
export async function measureChaos(
  fault: Fault,
  load: ChaosLoad,
  queue: ChaosQueue,
  givesUpAt: number,
): Promise<ChaosMeasurement> {
  let recoveryMs = 0;
  await load.arrived(DELIVERIES_BETWEEN);
  if (fault.controlMs > 0) await control(load, fault.controlMs);
  const { injections, messages } = fault;
  let done = 0;
  for (; done < injections.length || load.accepted() < messages; done++) {
    if (performance.now() > givesUpAt) break;
    const injection = injections[done % injections.length]!;
    await wait(injection.afterMs);
    const startedAt = performance.now();
    if (fault.controlMs > 0) load.measure('beside');
    const curedAt = await fault.inject(injection);
    load.measure(null);
    await load.arrived(DELIVERIES_BETWEEN);
    recoveryMs = Math.max(recoveryMs, recoveryOf(load.arrivals, startedAt, curedAt));
  }
  const accepted = load.accepted();
  const tooFew = accepted < messages ? `${accepted} of ${messages} messages were accepted` : null;
  const leftOut = done < injections.length ? `${done} of ${injections.length} injections were made` : null;
  fault.recover();
  const unsettled = await settle(load, queue, givesUpAt, fault);
  return { recoveryMs, outOfTime: unsettled ?? leftOut ?? tooFew };
}

/** Measures the delivery times at the healthy endpoint without the other one. */
async function control(load: ChaosLoad, forMs: number): Promise<void> {
  load.measure('control');
  await wait(forMs);
  load.measure(null);
  await load.arrived(DELIVERIES_BETWEEN);
}

/**
 * Publishes no more, and waits until every message is settled. NATS redelivers the messages of killed workers in this time.
 *
 * @returns Why the time was over too early; null if it was not.
 */
export async function settle(
  load: ChaosLoad,
  queue: ChaosQueue,
  givesUpAt: number,
  { losesMessages }: Pick<Fault, 'losesMessages'>,
): Promise<string | null> {
  await load.quiet();
  let emptyLooks = 0;
  for (;;) {
    const waiting = await queue.waiting();
    const deadLetters = await queue.deadLetters();
    const missing = [...load.unanswered()].filter((id) => !deadLetters.has(id)).length;
    emptyLooks = waiting === 0 ? emptyLooks + 1 : 0;
    if (waiting === 0 && (missing === 0 || (losesMessages && emptyLooks >= EMPTY_LOOKS))) return null;
    if (performance.now() > givesUpAt)
      return `${waiting ?? 'an unknown number of'} messages still wait, ${missing} are missing`;
    await wait(LOOK_EVERY_MS);
  }
}

/** @param curedAt See `Fault`. */
export function recoveryOf(arrivals: readonly number[], startedAt: number, curedAt: number | null): number {
  let longest = { ms: PAUSE_MS, end: curedAt ?? 0 };
  let before = startedAt;
  for (const at of arrivals) {
    if (at < startedAt) continue;
    if (at - before > longest.ms) longest = { ms: at - before, end: at };
    before = at;
  }
  if (curedAt !== null) return Math.max(0, longest.end - curedAt);
  return longest.ms > PAUSE_MS ? longest.ms : 0;
}
