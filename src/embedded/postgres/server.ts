import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { UserError } from '../../runtime/failure.ts';
import type { Environment } from '../process/executables.ts';
import { freePort } from '../process/ports.ts';
import { awaitPreviousServer } from '../process/previous-server.ts';
import { type Exit, type SupervisedProcess, startSupervised } from '../process/supervised-process.ts';
import { whenReady } from '../process/when-ready.ts';
import { announceIfSlow, type Say } from '../progress.ts';
import { findPostgres, type PostgresBinaries } from './binaries.ts';
import { makeCluster, readPassword } from './cluster.ts';
import { openPostgresFolder, type PostgresFolder } from './folder.ts';

export interface PostgresOptions {
  /** Where the data, the password and the log are kept. Made if missing; as root it may be another folder, which is logged. */
  readonly dataDir: string;
  /** Exactly this port; 0: any free one. Default: 5432 if free, else any. */
  readonly port?: number;
  /** Of the user `postgres`, for a folder that is made now; later starts use what was kept. Default: a random one. */
  readonly password?: string;
  /** False for tests: faster, and the data does not survive a crash of the machine. @default true */
  readonly fsync?: boolean;
  /** Searched for PATH, HOME and XDG_CACHE_HOME. */
  readonly env: Environment;
  readonly log: Say;
  /** Told of steps that take longer than a second. */
  readonly onProgress?: Say;
}

export interface PostgresServer {
  /** Of the database `postgres`, with user and password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** As PostgreSQL writes it, "18.4". */
  readonly version: string;
  /** Settles when the server has ended, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** Stops it properly, also when clients are connected. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts a real PostgreSQL on 127.0.0.1, making its data on the first start; resolves when clients can connect. It ends
 * with this program, however that ends.
 * @throws UserError if there is no PostgreSQL for this machine, the folder or the port cannot be used, or it ends early
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { env, log, onProgress, fsync = true } = options;
  const folder = await openPostgresFolder(options.dataDir, log);
  const binaries = await findPostgres(env, folder.user, folder.major, onProgress);
  if (folder.major === undefined) {
    await announceIfSlow('Making the PostgreSQL data …', onProgress, () =>
      makeCluster(folder, binaries, { password: options.password, fsync, env }),
    );
  }
  const password = await readPassword(folder);
  await announceIfSlow(`Waiting for the PostgreSQL of an earlier run in ${folder.path} …`, onProgress, () =>
    awaitPreviousServer('PostgreSQL', join(folder.cluster, 'postmaster.pid'), folder.cluster),
  );
  const port = options.port || (await freePort(options.port ?? 5432));
  const server = await untilFolderIsFree(() => launch(folder, binaries, port, options));
  return {
    url: `postgresql://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres?sslmode=disable`,
    port,
    pid: server.pid,
    version: binaries.version,
    exited: server.exited,
    stop: server.stop,
    kill: server.kill,
  };
}

async function launch(
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  port: number,
  { env, onProgress, fsync = true }: PostgresOptions,
): Promise<SupervisedProcess> {
  const settings = [
    'listen_addresses=127.0.0.1',
    // No socket in a folder that another user could have made, or that a killed server leaves a lock in.
    'unix_socket_directories=',
    // Several workers and their pools, beside the user's own clients.
    'max_connections=200',
    ...(fsync ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
  const server = await startSupervised({
    command: join(binaries.folder, 'postgres'),
    args: ['-D', folder.cluster, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    user: folder.user,
    env,
    logFile: join(folder.path, 'postgres.log'),
    // "Fast" shutdown: clients are disconnected; SIGTERM would wait for them.
    stopSignal: 'SIGINT',
    graceMs: 15_000,
  });
  await whenReady(
    'PostgreSQL',
    server,
    () => isReady(folder.cluster, server.pid),
    onProgress,
    (logTail) => {
      if (logTail.includes('Address already in use')) {
        return new UserError(
          `Port ${port} is in use: stop the program that listens on it, or choose another port.`,
        );
      }
      const isBusy = /lock file "postmaster.pid" already exists|shared memory block/.test(logTail);
      return isBusy
        ? new FolderInUse(`Another PostgreSQL still works in ${folder.path}: stop it first.`)
        : undefined;
    },
  );
  return server;
}

/** As pg_ctl does it: the server's state is on line 8 of its pid file, and its pid on line 1. */
async function isReady(cluster: string, pid: number): Promise<true | undefined> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready' ? true : undefined;
}

class FolderInUse extends UserError {}

/** A server that was killed may leave sessions behind, which end within moments, and keep a new one out until then. */
async function untilFolderIsFree<T>(start: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof FolderInUse) || performance.now() > deadline) throw error;
      await pause(100);
    }
  }
}
