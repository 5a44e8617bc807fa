import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { errorCode, UserError } from '../../runtime/failure.ts';
import { PACKAGE_ROOT } from '../../runtime/package-root.ts';
import type { Environment } from './executables.ts';
import type { ServerUser } from './server-user.ts';

export interface SupervisedProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Environment;
  /** Environment variables for the process, beside PATH, HOME and TZ. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The user that runs the process. Undefined: the user of this program. */
  readonly user?: ServerUser | undefined;
  /** Gets all output of the process. Emptied at the start. */
  readonly logFile: string;
  /** The signal that stops the process cleanly. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  /** How long the process may take to stop, in milliseconds. Above: it is killed. */
  readonly graceMs: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A process under a supervisor (supervisor.ts). It never outlives this program, in whatever way the program ends. */
export interface SupervisedProcess {
  readonly pid: number;
  /** Settles when the process has ended, for any reason. */
  readonly exited: Promise<Exit>;
  /** Sends the stop signal, and kills the process after `graceMs`. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends the process with SIGKILL. */
  kill(): Promise<void>;
  /** The last ten lines of the log. */
  logTail(): Promise<string>;
}

type SupervisorMessage = { pid: number } | { error: string } | { exit: Exit };

/** @throws UserError if the command cannot be run. */
export async function startSupervised(options: SupervisedProcessOptions): Promise<SupervisedProcess> {
  const { command, args, user, logFile } = options;
  const log = await open(logFile, 'w');
  const supervisor = spawn(
    process.execPath,
    [
      supervisorProgram(),
      ...['--stop', options.stopSignal, '--grace-ms', String(options.graceMs)],
      ...(user ? ['--user', `${user.uid}:${user.gid}`] : []),
      ...['--', command, ...args],
    ],
    // The process runs in the root folder, because initdb refuses to run in a folder that its user cannot enter.
    {
      detached: true,
      cwd: '/',
      env: { ...serverEnvironment(options.env), ...options.settings },
      stdio: ['pipe', 'pipe', log.fd],
    },
  ) as ChildProcessByStdio<Writable, Readable, null>;
  await log.close();
  // The reader of the pipe may have just ended: a write error is then expected.
  supervisor.stdin.on('error', () => {});

  let lastExit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    supervisor.on('close', (code, signal) => resolve(lastExit ?? { code, signal }));
  });
  const pid = await new Promise<number>((resolve, reject) => {
    supervisor.on('error', reject);
    createInterface({ input: supervisor.stdout }).on('line', (line) => {
      const told = JSON.parse(line) as SupervisorMessage;
      if ('pid' in told) resolve(told.pid);
      else if ('exit' in told) lastExit = told.exit;
      else reject(new UserError(`Cannot run ${command}: ${told.error}.`));
    });
    exited.then(() => reject(new Error(`the supervisor of ${command} ended early, see ${logFile}`)));
  });

  return {
    pid,
    exited,
    async stop() {
      supervisor.stdin.end();
      await exited;
    },
    async kill() {
      // The pid stays reserved until the supervisor has reaped the process. Only its exit message may still be on the way.
      try {
        if (lastExit === undefined) process.kill(pid, 'SIGKILL');
      } catch (error) {
        if (errorCode(error) !== 'ESRCH') throw error;
      }
      await exited;
    },
    async logTail() {
      const lines = (await readFile(logFile, 'utf8')).trimEnd().split('\n');
      return lines.slice(-10).join('\n');
    },
  };
}

/**
 * The supervisor is a separate program. It runs from the build also when vitest runs these sources, because Node 20 does not
 * run TypeScript.
 */
function supervisorProgram(): string {
  const path = join(PACKAGE_ROOT, 'dist', 'embedded', 'process', 'supervisor.js');
  if (existsSync(path)) return path;
  throw new UserError(`${path} is missing: run "npm run build".`);
}

/** Passes only the variables that a server needs: a PGPORT or NODE_OPTIONS for other programs must not change the server. */
function serverEnvironment({ PATH, HOME, TZ }: Environment): Record<string, string> {
  return { LC_ALL: 'C', ...(PATH && { PATH }), ...(HOME && { HOME }), ...(TZ && { TZ }) };
}
