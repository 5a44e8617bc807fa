import { type Column, textTable } from '../runtime/text-table.ts';
import type { FaultLoad } from './fault-load.ts';

/** Something that breaks under load. */
export type Fault = {
  readonly name: string;
  /** Who cures it. `nobody`: workers do, or the servers among themselves. */
  readonly cure: string;
  /** Breaks it and cures it. Resolves to the moment from which all should be well: `performance.now()`. */
  strike(): Promise<number>;
};

export type FaultMeasurement = Pick<Fault, 'name' | 'cure'> & {
  /** From the cure, or from the fault where nobody cures it, to the first delivery after the longest pause, in ms. */
  readonly backMs: number;
  /** Messages that NATS confirmed. */
  readonly confirmed: number;
  /** Of those: never delivered. */
  readonly lost: number;
  /** Requests beyond the first for a message. */
  readonly doubled: number;
};

/** Delivered before the fault, so that connections are open, and after it. */
const AROUND = 50;
/** Shorter pauses are those of a busy machine. */
const PAUSE_MS = 200;

/** @param drained Resolves when no message waits: hand-outs that were lost with a worker come again until then. */
export async function measureFault(
  fault: Fault,
  load: FaultLoad,
  drained: () => Promise<void>,
): Promise<FaultMeasurement> {
  await load.arrived(AROUND);
  const startedAt = performance.now();
  const wellFrom = await fault.strike();
  await load.arrived(AROUND);
  const backAt = endOfLongestPause(load.arrivals, startedAt) ?? wellFrom;
  await load.quiet();
  await drained();
  return {
    name: fault.name,
    cure: fault.cure,
    backMs: Math.max(0, backAt - wellFrom),
    confirmed: load.confirmed(),
    lost: load.missing(),
    doubled: load.doubled(),
  };
}

/** Null where there was none. */
function endOfLongestPause(arrivals: readonly number[], from: number): number | null {
  let longest = PAUSE_MS;
  let end: number | null = null;
  let before = from;
  for (const at of arrivals) {
    if (at < from) continue;
    if (at - before > longest) {
      longest = at - before;
      end = at;
    }
    before = at;
  }
  return end;
}

const right = (name: string): Column => ({ name, align: 'right' });

const COLUMNS: readonly Column[] = [
  { name: 'fault' },
  { name: 'cured by' },
  right('delivers again after s'),
  right('messages'),
  right('lost'),
  right('sent twice'),
];

export function faultTable(measured: readonly FaultMeasurement[]): string {
  return textTable(
    COLUMNS,
    measured.map(({ name, cure, backMs, confirmed, lost, doubled }) => [
      name,
      cure,
      (backMs / 1000).toFixed(1),
      String(confirmed),
      String(lost),
      String(doubled),
    ]),
  );
}
