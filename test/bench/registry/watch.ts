import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const CPU_TICKS_PER_SECOND = 100;

/** Memory of a process, in MB; null if the system does not report it (only Linux does). */
export type Memory = { readonly resident: number; readonly highest: number } | null;

export function memoryOf(pid: number): Memory {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const mb = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) / 1024;
    return { resident: mb('VmRSS'), highest: mb('VmHWM') };
  } catch {
    return null;
  }
}

/** CPU time of processes while `work` runs, or for some seconds, as shares of a core in percent; null if unknown. */
export async function cpuShares(
  pids: readonly (number | null)[],
  work: (() => Promise<unknown>) | number,
): Promise<(number | null)[]> {
  const before = pids.map(cpuOfFamily);
  const startedAt = performance.now();
  await (typeof work === 'number' ? wait(1000 * work) : work());
  const seconds = (performance.now() - startedAt) / 1000;
  return pids.map((pid, index) => {
    const now = cpuOfFamily(pid);
    return now === null || before[index] == null ? null : (100 * (now - before[index])) / seconds;
  });
}

/** CPU seconds of a process and of its children, also of those that have ended: PostgreSQL has a process per connection. */
function cpuOfFamily(pid: number | null): number | null {
  if (pid === null) return null;
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return [pid, ...children].reduce((sum, each) => sum + ownCpu(each), 0);
  } catch {
    return null;
  }
}

function ownCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  // User and system time of the process, and of its children that have ended.
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) / CPU_TICKS_PER_SECOND;
}
