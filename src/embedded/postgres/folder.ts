import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import { SHARED_FOLDER } from '../files/cache-folder.ts';
import { canEnter, type ServerUser, unprivilegedUser } from '../process/server-user.ts';
import type { Say } from '../progress.ts';

/** Where a PostgreSQL that we start keeps its things. */
export interface PostgresFolder {
  readonly path: string;
  /** PostgreSQL's own data directory in it. It is made under another name and moved here, so it is whole if it is there. */
  readonly cluster: string;
  readonly passwordFile: string;
  /** The version of PostgreSQL that made the cluster; undefined if there is none yet. */
  readonly major: number | undefined;
  /** Who runs the server; undefined: we ourselves. */
  readonly user: ServerUser | undefined;
}

/** What we ourselves put in the folder besides the cluster. */
const OURS = /^(password|initdb\.log|postgres\.log|cluster\.(new|broken)-.*)$/;

/**
 * Opens `dataDir`, making it if it is missing. As root, whose PostgreSQL runs as another user, it opens a folder below
 * /var/lib instead if that user cannot enter `dataDir`, and says so. What was half made is removed.
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
      // Its initdb may still be ending and write into it; then the next start removes it.
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

/** As root: the owner of the cluster, if there is one, since PostgreSQL refuses to run as anybody else. */
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
    `PostgreSQL's data is in ${other}: PostgreSQL does not run as root, and user ${user?.uid}, who runs it, cannot enter ${path}.`,
  );
  await makeFolder(other);
  return other;
}

async function makeFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  // Whatever the umask is, another user who runs the server must be able to enter.
  if (made !== undefined) await chmod(path, 0o755);
}

/** A cluster that lost its vital files is kept under another name, and made again: it cannot be started. */
async function majorOf(cluster: string, log: Say): Promise<number | undefined> {
  try {
    await stat(join(cluster, 'global', 'pg_control'));
    return Number.parseInt(await readFile(join(cluster, 'PG_VERSION'), 'utf8'), 10);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
    const aside = `${cluster}.broken-${Date.now()}`;
    await rename(cluster, aside);
    log(`The PostgreSQL data in ${cluster} is not whole: it is kept as ${aside}, and a new one is made.`);
    return undefined;
  }
}
