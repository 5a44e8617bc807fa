import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cleanUpAfter, temporaryFolder } from './clean-up.ts';
import { collectLines, type LinePattern } from './lines.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** What a program gets of our own environment: no NATS_URL, DATABASE_URL or other setting slips in. */
const INHERITED = ['PATH', 'HOME', 'XDG_CACHE_HOME', 'TMPDIR', 'LANG'];
const TIMEOUT_MS = 30_000;

export interface RunOptions {
  /** Beside PATH, HOME and the like, which are the test's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** @default an empty temporary folder */
  readonly cwd?: string;
  /** Gives it a process group of its own, as a terminal does; `kill` then reaches the whole group. @default false */
  readonly ownGroup?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Patience {
  /** In milliseconds. @default 30_000 */
  readonly timeoutMs?: number;
}

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The whole lines that it has written so far. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** The first line that fits, of either stream, written before or after. @throws Error with all output if none comes */
  waitForLine(pattern: LinePattern, options?: Patience): Promise<string>;
  /** How it ended; all its output has arrived then. @throws Error with all output if it does not end */
  waitForExit(options?: Patience): Promise<Exit>;
  /** @default SIGTERM */
  kill(signal?: NodeJS.Signals): void;
}

/** Runs the built program, `node dist/main.js <args>`. It is killed as `cleanUpAfter` says if it still runs. */
export async function runProgram(args: readonly string[], options: RunOptions = {}): Promise<RunningProgram> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run "npm run build".`);
  return runCommand(process.execPath, [MAIN, ...args], options);
}

/** Runs any command in the same way. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunningProgram> {
  const { ownGroup = false } = options;
  const child = spawn(command, args, {
    cwd: options.cwd ?? (await temporaryFolder()),
    env: { ...cleanEnvironment(), ...options.env },
    detached: ownGroup,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await once(child, 'spawn');
  const closed = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }));
  const pid = child.pid!;
  const kill = (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) process.kill(ownGroup ? -pid : pid, signal);
  };
  const output = collectLines(child.stdout, child.stderr);
  endWithTest(child, kill);

  /** Fails when `goal` is not reached in time, or cannot be reached any more since the program has ended. */
  const within = async <T>(
    what: string,
    goal: Promise<T>,
    { timeoutMs = TIMEOUT_MS }: Patience = {},
  ): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const failure = (why: string) =>
      new Error(`${command} ${args.join(' ')} should have ${what}, but ${why}. It wrote:\n${output.all()}`);
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(failure(`not within ${timeoutMs} ms`)), timeoutMs);
    });
    const ended = closed.then(({ code, signal }) => {
      throw failure(`it ended (${signal ?? `code ${code}`})`);
    });
    try {
      return await Promise.race([goal, tooLate, ended]);
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    child,
    pid,
    stdout: output.stdout,
    stderr: output.stderr,
    kill,
    waitForLine: (pattern, patience) => within(`written ${pattern}`, output.next(pattern), patience),
    waitForExit: (patience) => within('ended', closed, patience),
  };
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    INHERITED.filter((name) => process.env[name] !== undefined).map((name) => [name, process.env[name]]),
  );
}

const running = new Set<(signal: NodeJS.Signals) => void>();

// When this test process is ended in the middle of a file, as by Ctrl-C.
process.on('exit', () => {
  for (const kill of running) kill('SIGKILL');
});

function endWithTest(child: ChildProcess, kill: (signal: NodeJS.Signals) => void): void {
  running.add(kill);
  child.once('exit', () => running.delete(kill));
  cleanUpAfter(async () => {
    if (!running.has(kill)) return;
    const exited = once(child, 'exit');
    kill('SIGKILL');
    await exited;
    // Processes that it has started may hold its output open; nobody reads it any more.
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
}
