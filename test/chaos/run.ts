import { setTimeout as wait } from 'node:timers/promises';
import type { ChaosLoad } from './load.ts';
import type { Injection } from './plan.ts';

/** Something that breaks under load. */
export type Fault = {
  readonly name: string;
  readonly injections: readonly Injection[];
  /**
   * Breaks it and cures it. Resolves to the moment from which all should be well, on the clock of `performance.now()`;
   * null where deliveries should not have stopped at all.
   */
  inject(injection: Injection): Promise<number | null>;
  /** Makes well, after the last injection, what the injections have left broken. */
  recover(): void;
};

/** What an adapter to NATS gives us. */
export interface ChaosQueue {
  /** Messages that wait for a worker, for a retry or for room; null: not known just now. */
  waiting(): Promise<number | null>;
  /** Ids of the dead letters so far. */
  deadLetters(): Promise<ReadonlySet<string>>;
}

export type ChaosMeasurement = {
  readonly name: string;
  /** Messages that NATS confirmed. */
  readonly accepted: number;
  /** Of those: how many were answered with a 2xx. */
  readonly delivered: number;
  /** Of those: how many are dead letters instead. */
  readonly deadLettered: number;
  /** Of those: neither. */
  readonly lost: number;
  /** Requests for what had been answered with a 2xx before. */
  readonly doubled: number;
  /** From the cure to the first delivery after the longest pause; where nothing cures it, the longest pause itself. In ms. */
  readonly recoveryMs: number;
  /** Why the time was over before all was well; null: it was not. */
  readonly outOfTime: string | null;
};

/** Delivered around each injection: before it, so that connections are open, and after it. */
const AROUND = 25;
/** Shorter pauses are those of a busy machine. */
const PAUSE_MS = 200;
const LOOK_EVERY_MS = 100;

/** @param givesUpAt What has not arrived by then is lost; on the clock of `performance.now()`. */
export async function measureChaos(
  fault: Fault,
  load: ChaosLoad,
  queue: ChaosQueue,
  givesUpAt: number,
): Promise<ChaosMeasurement> {
  let recoveryMs = 0;
  await load.arrived(AROUND);
  for (const injection of fault.injections) {
    await wait(injection.afterMs);
    const startedAt = performance.now();
    const wellFrom = await fault.inject(injection);
    await load.arrived(AROUND);
    recoveryMs = Math.max(recoveryMs, recoveryOf(load.arrivals, startedAt, wellFrom));
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

/** Publishes no more, and waits until all has come to its end. Hand-outs that were lost come again until then. */
export async function settle(load: ChaosLoad, queue: ChaosQueue, givesUpAt: number) {
  await load.quiet();
  for (;;) {
    const waiting = await queue.waiting();
    const letters = await queue.deadLetters();
    const unanswered = load.missing();
    const missing = unanswered.filter((id) => !letters.has(id));
    const deadLettered = unanswered.length - missing.length;
    const isOver = performance.now() > givesUpAt;
    const outOfTime = isOver ? `${waiting ?? 'it is not known how many'} messages still wait` : null;
    if ((waiting === 0 && missing.length === 0) || isOver) return { missing, deadLettered, outOfTime };
    await wait(LOOK_EVERY_MS);
  }
}

/** @param wellFrom See `Fault`. */
export function recoveryOf(arrivals: readonly number[], startedAt: number, wellFrom: number | null): number {
  let longest = { ms: PAUSE_MS, end: wellFrom ?? 0 };
  let before = startedAt;
  for (const at of arrivals) {
    if (at < startedAt) continue;
    if (at - before > longest.ms) longest = { ms: at - before, end: at };
    before = at;
  }
  if (wellFrom !== null) return Math.max(0, longest.end - wellFrom);
  return longest.ms > PAUSE_MS ? longest.ms : 0;
}
