import { setTimeout as wait } from 'node:timers/promises';
import type { ChaosLoad } from './load.ts';
import type { Injection } from './plan.ts';

/** A fault under load. */
export type Fault = {
  readonly name: string;
  readonly injections: readonly Injection[];
  /**
   * Injects the fault and cures it. Resolves to the time of the cure, on the clock of `performance.now()`; null if
   * deliveries should not have stopped at all.
   */
  inject(injection: Injection): Promise<number | null>;
  /** Cures, after the last injection, everything that the injections have left broken. */
  recover(): void;
};

/** The queues of the workers in NATS. */
export interface ChaosQueue {
  /** Messages that wait for a worker, a retry or capacity; null if NATS does not answer now. */
  waiting(): Promise<number | null>;
  /** Ids of the dead letters so far. */
  deadLetters(): Promise<ReadonlySet<string>>;
}

export type ChaosMeasurement = {
  readonly name: string;
  /** Messages that NATS confirmed. */
  readonly accepted: number;
  /** Accepted messages that were answered with a 2xx. */
  readonly delivered: number;
  /** Accepted messages that became dead letters instead. */
  readonly deadLettered: number;
  /** Accepted messages that are neither. */
  readonly lost: number;
  /** Requests for messages that were answered with a 2xx before. */
  readonly doubled: number;
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

/** @param givesUpAt When missing messages count as lost, on the clock of `performance.now()`. */
export async function measureChaos(
  fault: Fault,
  load: ChaosLoad,
  queue: ChaosQueue,
  givesUpAt: number,
): Promise<ChaosMeasurement> {
  let recoveryMs = 0;
  await load.arrived(DELIVERIES_BETWEEN);
  for (const injection of fault.injections) {
    await wait(injection.afterMs);
    const startedAt = performance.now();
    const curedAt = await fault.inject(injection);
    await load.arrived(DELIVERIES_BETWEEN);
    recoveryMs = Math.max(recoveryMs, recoveryOf(load.arrivals, startedAt, curedAt));
  }
  fault.recover();
  const settled = await settle(load, queue, givesUpAt);
  const lost = settled.missing.length;
  return {
    name: fault.name,
    accepted: load.accepted(),
    delivered: load.accepted() - lost - settled.deadLettered,
    deadLettered: settled.deadLettered,
    lost,
    doubled: load.doubled(),
    recoveryMs,
    outOfTime: settled.outOfTime,
  };
}

/** Publishes no more, and waits until every message is settled. NATS redelivers the messages of killed workers in this time. */
export async function settle(load: ChaosLoad, queue: ChaosQueue, givesUpAt: number) {
  await load.quiet();
  for (;;) {
    const waiting = await queue.waiting();
    const deadLetters = await queue.deadLetters();
    const unanswered = load.missing();
    const missing = unanswered.filter((id) => !deadLetters.has(id));
    const deadLettered = unanswered.length - missing.length;
    const isOver = performance.now() > givesUpAt;
    const outOfTime = isOver ? `${waiting ?? 'an unknown number of'} messages still wait` : null;
    if ((waiting === 0 && missing.length === 0) || isOver) return { missing, deadLettered, outOfTime };
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
