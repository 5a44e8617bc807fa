import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** The resident memory of a process over time, in bytes. */
export type MemoryCourse = {
  readonly start: number;
  readonly end: number;
  readonly highest: number;
  /** The median of the last quarter of the time minus that of the third quarter. About 0 if memory is bounded. */
  readonly lateGrowth: number;
};

const LOOK_EVERY_MS = 200;
/** How many samples make one figure. A single sample may be taken just before or after a garbage collection. */
const SAMPLES_AT_ENDS = 5;

/**
 * Samples the resident memory of processes while `work` runs.
 *
 * @returns One course per process, in order; null if the system does not report it (only Linux does).
 */
export async function watchMemory(
  pids: readonly number[],
  work: () => Promise<void>,
): Promise<(MemoryCourse | null)[]> {
  const samples = pids.map((): number[] => []);
  let isOver = false;
  const working = work().finally(() => {
    isOver = true;
  });
  while (!isOver) {
    for (const [index, pid] of pids.entries()) {
      const bytes = residentBytes(pid);
      if (bytes !== null) samples[index]!.push(bytes);
    }
    await Promise.race([wait(LOOK_EVERY_MS), working]);
  }
  await working;
  return samples.map((of) => (of.length === 0 ? null : courseOf(of)));
}

/** @param samples At equal intervals, at least one. */
export function courseOf(samples: readonly number[]): MemoryCourse {
  const quarter = (number: number) =>
    samples.slice(Math.floor((number * samples.length) / 4), Math.ceil(((number + 1) * samples.length) / 4));
  return {
    start: median(samples.slice(0, SAMPLES_AT_ENDS)),
    end: median(samples.slice(-SAMPLES_AT_ENDS)),
    highest: Math.max(...samples),
    lateGrowth: median(quarter(3)) - median(quarter(2)),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function residentBytes(pid: number): number | null {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? null : 1024 * Number(kilobytes);
  } catch {
    return null;
  }
}
