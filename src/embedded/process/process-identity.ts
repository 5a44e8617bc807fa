import { readFileSync } from 'node:fs';
import { errorCode } from '../../runtime/failure.ts';

/**
 * When a process started, in clock ticks since boot; undefined where the system doesn't tell (only Linux does) or there
 * is no such process. Pids are given out again, so a pid that is written down needs it to be an identity.
 */
export function startTimeOf(pid: number): string | undefined {
  return statusOf(pid)?.startTime;
}

/** Whether a process runs under this pid and, where that can be told, is the one that started at `startTime`. */
export function isRunning(pid: number, startTime?: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  const status = statusOf(pid);
  if (status === undefined) return true;
  return status.state !== 'Z' && (startTime === undefined || startTime === status.startTime);
}

/** The arguments that a process was started with; undefined as for `startTimeOf`, and for one that has ended. */
export function argumentsOf(pid: number): string[] | undefined {
  return read(`/proc/${pid}/cmdline`)?.split('\0');
}

function statusOf(pid: number): { state: string; startTime: string } | undefined {
  // The second field is the program's name in brackets, which may hold spaces and brackets itself.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  const [state, startTime] = [fields?.[0], fields?.[19]];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
