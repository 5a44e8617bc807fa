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
  /** What it gets of the environment beside PATH, HOME and TZ. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Who runs it; this process's own user if undefined. */
  readonly user?: ServerUser | undefined;
  /** Gets all that it writes; emptied first. */
  readonly logFile: string;
  /** What stops it properly. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  /** How long it may take to stop before it is killed, in milliseconds. */
  readonly graceMs: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A process that a keeper (keeper.ts) watches: it never outlives this program, however that ends. */
export interface SupervisedProcess {
  readonly pid: number;
  /** Settles when it has ended, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** Stops it with its stop signal, and kills it after `graceMs`. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** The last lines that it wrote. */
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
    // The root folder, since initdb refuses to run in a folder that its user cannot enter.
    {
      detached: true,
      cwd: '/',
      env: { ...serverEnvironment(options.env), ...options.settings },
      stdio: ['pipe', 'pipe', log.fd],
    },
  ) as ChildProcessByStdio<Writable, Readable, null>;
  await log.close();
  // Closing a pipe whose reader has just ended is no error of ours.
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
    exited.then(() => reject(new Error(`the keeper of ${command} ended early, see ${logFile}`)));
  });

  return {
    pid,
    exited,
    async stop() {
      supervisor.stdin.end();
      await exited;
    },
    async kill() {
      // Unreaped until the keeper tells of its end, so the pid is its own; only that news may be on its way.
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
 * The keeper is a program of its own and runs from the build, also when vitest runs these sources: Node 20 does not run
 * TypeScript.
 */
function supervisorProgram(): string {
  const path = join(PACKAGE_ROOT, 'dist', 'embedded', 'process', 'supervisor.js');
  if (existsSync(path)) return path;
  throw new UserError(`${path} is missing: run "npm run build".`);
}

/** Only what a server needs: a PGPORT or a NODE_OPTIONS that was meant for somebody else changes nothing. */
function serverEnvironment({ PATH, HOME, TZ }: Environment): Record<string, string> {
  return { LC_ALL: 'C', ...(PATH && { PATH }), ...(HOME && { HOME }), ...(TZ && { TZ }) };
}
