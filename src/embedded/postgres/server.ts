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
  /** The folder of data, password and log. Created if missing. As root, another folder may be used, which is logged. */
  readonly dataDir: string;
  /** The exact port. 0: any free port. @default 5432 if free, else any free port */
  readonly port?: number;
  /** The password of the user `postgres` for new data. Later starts use the stored password. @default a random one */
  readonly password?: string;
  /** False for tests: faster, but the data does not survive a crash of the machine. @default true */
  readonly fsync?: boolean;
  /** Source of PATH, HOME and XDG_CACHE_HOME. */
  readonly env: Environment;
  readonly log: Say;
  /** Called for steps that take longer than one second. */
  readonly onProgress?: Say;
}

export interface PostgresServer {
  /** The URL of the database `postgres`, with user and password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** As PostgreSQL writes it, "18.4". */
  readonly version: string;
  /** Settles when the server has ended, for any reason. */
  readonly exited: Promise<Exit>;
  /** Stops the server cleanly, also while clients are connected. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends the server with SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts a real PostgreSQL on 127.0.0.1, and creates its data on the first start. Resolves when clients can connect. The server
 * ends with this program, in whatever way the program ends.
 * @throws UserError if there is no PostgreSQL for this machine, the folder or the port cannot be used, or the server ends before
 * clients can connect
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
    // No Unix socket: another user could own the socket folder, and a killed server leaves a lock there.
    'unix_socket_directories=',
    // Enough for the pools of several workers, and for the user's own clients.
    'max_connections=200',
    ...(fsync ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
  const server = await startSupervised({
    command: join(binaries.folder, 'postgres'),
    args: ['-D', folder.cluster, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    user: folder.user,
    env,
    logFile: join(folder.path, 'postgres.log'),
    // "Fast" shutdown: the server disconnects its clients. With SIGTERM it would wait for the clients.
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
        ? new FolderInUse(`Another PostgreSQL still runs in ${folder.path}: stop that server first.`)
        : undefined;
    },
  );
  return server;
}

/** Reads the server's pid from line 1 of its pid file, and its state from line 8, as pg_ctl does. */
async function isReady(cluster: string, pid: number): Promise<true | undefined> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready' ? true : undefined;
}

class FolderInUse extends UserError {}

/** A killed server may leave session processes, which end soon. Until then, a new server cannot start. Retries for 15 s. */
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
