import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, UserError } from '../../runtime/failure.ts';
import type { Environment } from '../process/executables.ts';
import type { ServerUser } from '../process/server-user.ts';
import { startSupervised } from '../process/supervised-process.ts';
import type { PostgresBinaries } from './binaries.ts';
import type { PostgresFolder } from './folder.ts';

export interface ClusterOptions {
  /** The password of the user `postgres`. If undefined, a random one. */
  readonly password: string | undefined;
  /** True: the function waits until all files are on the disk. */
  readonly fsync: boolean;
  readonly env: Environment;
}

/**
 * Creates the cluster of a folder with initdb, under a temporary name, and renames the cluster when it is complete.
 * @throws UserError with the last lines of initdb's log if initdb fails
 */
export async function makeCluster(
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  options: ClusterOptions,
): Promise<void> {
  const { path, passwordFile, user } = folder;
  const password = options.password ?? randomBytes(16).toString('hex');
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await own(passwordFile, user);
  const growing = join(path, `cluster.new-${randomBytes(4).toString('hex')}`);
  await mkdir(growing, { mode: 0o700 });
  await chmod(growing, 0o700);
  await own(growing, user);

  const initdb = await startSupervised({
    command: join(binaries.folder, 'initdb'),
    args: [
      ...['--pgdata', growing, '--username', 'postgres', '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
      ...['--encoding', 'UTF8', '--locale', 'C', ...(options.fsync ? [] : ['--no-sync'])],
    ],
    user,
    env: options.env,
    logFile: join(path, 'initdb.log'),
    stopSignal: 'SIGTERM',
    graceMs: 5000,
  });
  const { code, signal } = await initdb.exited;
  if (code !== 0) {
    await rm(growing, { recursive: true, force: true }).catch(() => {});
    const ending = signal ? `was ended by ${signal}` : 'failed';
    throw new UserError(`initdb ${ending} in ${path}. Its log ends with:\n${await initdb.logTail()}`);
  }
  await rename(growing, folder.cluster);
}

/** @throws UserError if the password file of the cluster cannot be read */
export async function readPassword({ passwordFile, path }: PostgresFolder): Promise<string> {
  try {
    return (await readFile(passwordFile, 'utf8')).trimEnd();
  } catch (error) {
    throw new UserError(
      `The password of the PostgreSQL in ${path} cannot be read (${errorMessage(error)}): put it back into ${passwordFile}, or remove ${path}, which also removes the data.`,
    );
  }
}

async function own(path: string, user: ServerUser | undefined): Promise<void> {
  if (user) await chown(path, user.uid, user.gid);
}
