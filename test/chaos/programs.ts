import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { environment } from '../../src/config/settings.ts';
import { type SupervisedProcess, startSupervised } from '../../src/embedded/process/supervised-process.ts';
import { whenReady } from '../../src/embedded/process/when-ready.ts';
import { UserError } from '../../src/runtime/failure.ts';

/** A program of a scene, such as a worker, that can be ended and started again. */
export interface ChaosProgram {
  /**
   * Resolves when the program has started.
   *
   * @param otherSettings These replace its own, until the next start.
   */
  start(otherSettings?: ProgramSettings): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM. @throws {UserError} if the exit code is not 0. */
  terminate(): Promise<void>;
  pause(): void;
  resume(): void;
}

export type ProgramSettings = Readonly<Record<string, string>>;

const MAIN = resolve('dist/main.js');
/** Longer than a program may take to stop. */
const GRACE_MS = 30_000;

export type ProgramOptions = {
  readonly command: 'worker' | 'api' | 'relay';
  readonly name: string;
  /** The folder of its log. */
  readonly folder: string;
  readonly settings: ProgramSettings;
  /** Modules that node loads before the program. @default none */
  readonly imports?: readonly string[];
  /** Called when the program ends although nobody has stopped it. */
  readonly failed: (error: UserError) => void;
};

/** The program ends with this one. */
export function makeProgram({
  command,
  name,
  folder,
  settings,
  imports = [],
  failed,
}: ProgramOptions): ChaosProgram {
  const logFile = join(folder, `${name}.log`);
  let running: SupervisedProcess | null = null;

  /** The process. From now on, its end is expected. */
  function take(): SupervisedProcess {
    const taken = running;
    if (taken === null) throw new Error(`${name} does not run`);
    running = null;
    return taken;
  }

  return {
    async start(otherSettings = {}) {
      const started = await startSupervised({
        command: process.execPath,
        args: [...imports.map((module) => `--import=${module}`), MAIN, command],
        env: environment(),
        settings: { LOG_FORMAT: 'json', ...settings, ...otherSettings },
        logFile,
        stopSignal: 'SIGTERM',
        graceMs: GRACE_MS,
      });
      running = started;
      void started.exited.then(async () => {
        if (running === started)
          failed(new UserError(`${name} ended. Its last output was:\n${await started.logTail()}`));
      });
      const works = async () =>
        (await readFile(logFile, 'utf8')).includes(`"${command}.started"`) || undefined;
      await whenReady(name, started, works, undefined, () => undefined);
    },
    async kill() {
      if (running !== null) await take().kill();
    },
    async terminate() {
      const ending = take();
      await ending.stop();
      const { code, signal } = await ending.exited;
      if (code !== 0) throw new UserError(`${name} ended with ${signal ?? `code ${code}`} at SIGTERM.`);
    },
    pause: () => void process.kill(running!.pid, 'SIGSTOP'),
    resume: () => void process.kill(running!.pid, 'SIGCONT'),
  };
}

/** One program, or all programs if `whom` is their number. */
export function targetsOf(programs: readonly ChaosProgram[], whom: number): readonly ChaosProgram[] {
  return whom < programs.length ? programs.slice(whom, whom + 1) : programs;
}
