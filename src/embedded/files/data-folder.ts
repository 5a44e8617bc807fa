import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import { IS_INSTALLED } from '../../runtime/package-root.ts';
import { isRunning, startTimeOf } from '../process/process-identity.ts';

export interface DataFolder {
  readonly path: string;
  /** Removes the data of all servers. Call it before a server starts. @throws if a file cannot be removed. */
  empty(): Promise<void>;
  /** Frees the folder for another process. Safe to call twice. */
  release(): Promise<void>;
}

const LOCKS = 'locks';
/** The start of the name of a folder that is about to be removed. */
const REMOVED = 'removed';

/**
 * Creates the data folder if it is missing, and locks it for this process. The lock ends with `release`, or when the process ends
 * in any way.
 * @throws UserError that names the process which holds the lock, or says why the folder cannot be written.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const claims = join(path, LOCKS);
  try {
    const made = await mkdir(path, { recursive: true });
    // Independent of the umask: if root starts the program, PostgreSQL runs as another user, who must be able to enter.
    if (made !== undefined) await chmod(path, 0o755);
    await mkdir(claims, { recursive: true });
    return await holdFolder(path, claims);
  } catch (error) {
    if (error instanceof UserError || errorCode(error) === undefined) throw error;
    throw new UserError(
      `Cannot write in the data folder ${path}: ${errorMessage(error)}. Give this user write access to it, or start ${IS_INSTALLED ? 'in another folder' : 'from another clone'}.`,
      { cause: error },
    );
  }
}

/** Everything but the locks. A server of a killed process may still be ending, so its folder is moved away before it is removed. */
async function emptyFolder(path: string): Promise<void> {
  const names = (await readdir(path)).filter((name) => name !== LOCKS);
  for (const name of names) {
    const away = join(path, `${REMOVED}-${process.pid}-${name}`);
    await rename(join(path, name), away);
    await rm(away, { recursive: true, force: true });
  }
}

/**
 * Every process first writes its own claim, a file named by its pid, and only then reads the other claims: of two processes that
 * start together, at least one sees the other's claim and removes its own. A claim of a dead process does not count, so no lock
 * must be forced. A process retries up to eight times, because two processes that start together may both remove their claims.
 */
async function holdFolder(path: string, claims: string): Promise<DataFolder> {
  const ours = join(claims, String(process.pid));
  for (let triesLeft = 8; ; triesLeft--) {
    const holder = (await putClaim(ours)) ? await otherClaimant(claims) : process.pid;
    if (holder === undefined) {
      return { path, empty: () => emptyFolder(path), release: () => rm(ours, { force: true }) };
    }
    if (holder !== process.pid) await rm(ours, { force: true });
    if (holder === process.pid || triesLeft === 1) {
      throw new UserError(
        `Process ${holder} already runs on ${path}. Stop that process first (Ctrl-C in its terminal, or "kill ${holder}"), or start ${IS_INSTALLED ? 'in another folder' : 'from another clone'}.`,
      );
    }
    await pause(20 + Math.random() * 80);
  }
}

/** False if this process itself already holds the lock. */
async function putClaim(file: string): Promise<boolean> {
  const started = startTimeOf(process.pid) ?? '';
  try {
    await writeFile(file, started, { flag: 'wx' });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    if ((await readFile(file, 'utf8')) === started) return false;
    await writeFile(file, started);
  }
  return true;
}

async function otherClaimant(claims: string): Promise<number | undefined> {
  for (const name of await readdir(claims)) {
    const [pid, file] = [Number(name), join(claims, name)];
    if (pid === process.pid) continue;
    const started = await readFile(file, 'utf8').catch(() => '');
    if (isRunning(pid, started || undefined)) return pid;
    await rm(file, { force: true });
  }
  return undefined;
}
