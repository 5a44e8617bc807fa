import { readFileSync } from 'node:fs';
import { errorCode } from '../../runtime/failure.ts';

/**
 * When a process started, in clock ticks since boot. Undefined if there is no such process, or on a system other than Linux. The
 * system reuses pids, so only a stored pid together with its start time identifies a process.
 */
export function startTimeOf(pid: number): string | undefined {
  return statusOf(pid)?.startTime;
}

/** True if a process runs under this pid. On Linux, the process must also have started at `startTime`, if that is given. */
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

/** The arguments of a process. Undefined if there is no such process, if it has ended, or on a system other than Linux. */
export function argumentsOf(pid: number): string[] | undefined {
  return read(`/proc/${pid}/cmdline`)?.split('\0');
}

function statusOf(pid: number): { state: string; startTime: string } | undefined {
  // The second field is the program's name in brackets. The name may itself hold spaces and brackets.
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
