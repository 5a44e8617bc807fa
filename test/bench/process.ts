import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { UserError } from '../../src/runtime/failure.ts';

/** The process of a measured worker. */
export interface BenchProcess {
  readonly pid: number;
  /** Rejects with its last output when the process ends before it is stopped. */
  readonly failed: Promise<never>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

const TAIL_CHARACTERS = 2000;
const CPU_TICKS_PER_SECOND = 100;

/**
 * @param file A built program, as a URL.
 * @param onLine Called with each line of its output.
 */
export function startBenchProcess(
  name: string,
  file: URL,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  onLine: (line: string) => void = () => {},
): BenchProcess {
  // In a folder without an .env, so that only the given settings count.
  const child = spawn(process.execPath, [file.pathname, ...args], {
    cwd: tmpdir(),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  const keepTail = (text: Buffer) => {
    tail = (tail + text).slice(-TAIL_CHARACTERS);
  };
  child.stdout.on('data', keepTail);
  createInterface(child.stdout).on('line', onLine);
  child.stderr.on('data', keepTail);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  // A bench that is stopped ends this process, too.
  const endWithBench = () => endProcess(child);
  process.once('exit', endWithBench);
  void ended.then(() => process.off('exit', endWithBench));
  let stopping = false;
  const failed = ended.then((): Promise<never> => {
    if (stopping) return new Promise(() => {});
    throw new UserError(`${name} ended before its run was over. Its last output was:\n${tail}`);
  });
  failed.catch(() => {});
  return {
    pid: child.pid!,
    failed,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      stopping = true;
      endProcess(child);
      await ended;
    },
  };
}

function endProcess(child: ChildProcess): void {
  child.kill('SIGCONT');
  child.kill('SIGKILL');
}

/** CPU time of a process so far, user and system, in seconds; null if the system does not report it (only Linux does). */
export function cpuSeconds(pid: number | undefined): number | null {
  if (pid === undefined) return null;
  try {
    // The second field, the program's name in brackets, may contain spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / CPU_TICKS_PER_SECOND;
  } catch {
    return null;
  }
}
