import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cleanUpAfter, temporaryFolder } from './clean-up.ts';
import { collectLines, type LinePattern } from './lines.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** The variables that a program inherits from the environment. No NATS_URL, DATABASE_URL or other setting is among them. */
const INHERITED = ['PATH', 'HOME', 'XDG_CACHE_HOME', 'TMPDIR', 'LANG'];
const TIMEOUT_MS = 30_000;

export interface RunOptions {
  /** Variables in addition to PATH, HOME and the others that the program inherits. */
  readonly env?: Readonly<Record<string, string>>;
  /** @default an empty temporary folder */
  readonly cwd?: string;
  /** Starts the program in its own process group, as a terminal does. `kill` then signals the whole group. @default false */
  readonly ownGroup?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface WaitOptions {
  /** How long to wait, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number;
}

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The complete lines written so far. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** The first line of either stream that matches, already written or not. @throws Error with all output if no such line comes */
  waitForLine(pattern: LinePattern, options?: WaitOptions): Promise<string>;
  /** Returns the exit code or signal, once all output has arrived. @throws Error with all output if the program does not end */
  waitForExit(options?: WaitOptions): Promise<Exit>;
  /** @default SIGTERM */
  kill(signal?: NodeJS.Signals): void;
}

/** Runs the built program, `node dist/main.js <args>`. `cleanUpAfter` kills it if it still runs. */
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

  /** Fails if the goal is not reached in time, or if the program ends before. */
  const withTimeout = async <T>(
    description: string,
    goal: Promise<T>,
    { timeoutMs = TIMEOUT_MS }: WaitOptions = {},
  ): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const failure = (reason: string) =>
      new Error(
        `${command} ${args.join(' ')} should have ${description}, but ${reason}. It wrote:\n${output.all()}`,
      );
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
    waitForLine: (pattern, options) => withTimeout(`written ${pattern}`, output.next(pattern), options),
    waitForExit: (options) => withTimeout('ended', closed, options),
  };
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    INHERITED.filter((name) => process.env[name] !== undefined).map((name) => [name, process.env[name]]),
  );
}

const running = new Set<(signal: NodeJS.Signals) => void>();

// Kills the programs if this test process ends in the middle of a file, such as at Ctrl-C.
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
    // Processes that the program started may keep its output open, but the test no longer reads it.
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
}
