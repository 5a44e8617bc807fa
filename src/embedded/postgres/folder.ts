import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import { SHARED_FOLDER } from '../files/cache-folder.ts';
import { canEnter, type ServerUser, unprivilegedUser } from '../process/server-user.ts';
import type { Say } from '../progress.ts';

/** The folder of an embedded PostgreSQL. */
export interface PostgresFolder {
  readonly path: string;
  /** PostgreSQL's own data directory in the folder. It is created under another name and renamed, so it is always complete. */
  readonly cluster: string;
  readonly passwordFile: string;
  /** The version of PostgreSQL that created the cluster. Undefined if there is no cluster yet. */
  readonly major: number | undefined;
  /** The user that runs the server. Undefined: the user of this process. */
  readonly user: ServerUser | undefined;
}

/** The files that this program writes in the folder, besides the cluster. */
const OURS = /^(password|initdb\.log|postgres\.log|cluster\.(new|broken)-.*)$/;

/**
 * Opens `dataDir`, and creates it if it is missing. If root starts this program, PostgreSQL runs as another user. If that user
 * cannot enter `dataDir`, the function opens a folder below /var/lib instead, and logs that. Incomplete clusters are removed.
 * @throws UserError if the folder holds files of another program, or cannot be written
 */
export async function openPostgresFolder(dataDir: string, log: Say): Promise<PostgresFolder> {
  try {
    const user = await serverUser(join(resolve(dataDir), 'cluster'));
    const path = await enterableFolder(resolve(dataDir), user, log);
    const cluster = join(path, 'cluster');
    const entries = await readdir(path);
    const foreign = entries.filter((name) => name !== 'cluster' && !OURS.test(name));
    if (foreign.length > 0 && !entries.includes('cluster')) {
      throw new UserError(
        `${path} holds files of another program (${foreign.slice(0, 3).join(', ')}): choose another folder for PostgreSQL, or empty it.`,
      );
    }
    for (const name of entries.filter((entry) => entry.startsWith('cluster.new-'))) {
      // Its initdb may still run and write into the folder. Then the next start removes the folder.
      await rm(join(path, name), { recursive: true, force: true }).catch(() => {});
    }
    const major = entries.includes('cluster') ? await majorOf(cluster, log) : undefined;
    return { path, cluster, passwordFile: join(path, 'password'), major, user };
  } catch (error) {
    if (error instanceof UserError || errorCode(error) === undefined) throw error;
    throw new UserError(
      `Cannot use ${dataDir} for PostgreSQL: ${errorMessage(error)}. Start as the user who owns it, or choose another folder.`,
      { cause: error },
    );
  }
}

/** As root: the owner of the cluster, if a cluster exists, because PostgreSQL refuses to run as any other user. */
async function serverUser(cluster: string): Promise<ServerUser | undefined> {
  const user = unprivilegedUser();
  const owner = user && (await stat(cluster).catch(() => undefined));
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : user;
}

async function enterableFolder(path: string, user: ServerUser | undefined, log: Say): Promise<string> {
  await makeFolder(path);
  if (await canEnter(path, user)) return path;
  const other = join(SHARED_FOLDER, createHash('sha256').update(path).digest('hex').slice(0, 12));
  log(
    `The data of PostgreSQL is in ${other}: PostgreSQL does not run as root, but as user ${user?.uid}, and this user cannot enter ${path}.`,
  );
  await makeFolder(other);
  return other;
}

async function makeFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  // Independent of the umask: the other user who runs the server must be able to enter the folder.
  if (made !== undefined) await chmod(path, 0o755);
}

/** The version of a cluster. A cluster that lost a vital file cannot start: it is renamed, and the caller creates a new one. */
async function majorOf(cluster: string, log: Say): Promise<number | undefined> {
  try {
    await stat(join(cluster, 'global', 'pg_control'));
    return Number.parseInt(await readFile(join(cluster, 'PG_VERSION'), 'utf8'), 10);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
    const aside = `${cluster}.broken-${Date.now()}`;
    await rename(cluster, aside);
    log(`The PostgreSQL data in ${cluster} is not complete: it is kept as ${aside}, and new data is made.`);
    return undefined;
  }
}
