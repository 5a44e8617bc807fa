import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import { IS_INSTALLED } from '../../runtime/package-root.ts';
import { isRunning, startTimeOf } from '../process/process-identity.ts';

export interface DataFolder {
  readonly path: string;
  /** Lets another process have the folder. Safe to call twice. */
  release(): Promise<void>;
}

/**
 * Makes the data folder if it is missing and holds it for this process, until `release` or the end of the process,
 * however it ends.
 * @throws UserError that names the process which holds it, or why it cannot be written.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const claims = join(path, 'locks');
  try {
    const made = await mkdir(path, { recursive: true });
    // Whatever the umask is: as root, PostgreSQL runs as another user, who must be able to pass through.
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

/**
 * Every process puts its own claim, a file named by its pid, and only then looks at the others': of two that come
 * together at least one sees the other and steps back. Nothing that a dead process left has to be broken open. Stepping
 * back is tried a few times, since two that start together may both do it.
 */
async function holdFolder(path: string, claims: string): Promise<DataFolder> {
  const ours = join(claims, String(process.pid));
  for (let triesLeft = 8; ; triesLeft--) {
    const holder = (await putClaim(ours)) ? await otherClaimant(claims) : process.pid;
    if (holder === undefined) return { path, release: () => rm(ours, { force: true }) };
    if (holder !== process.pid) await rm(ours, { force: true });
    if (holder === process.pid || triesLeft === 1) {
      throw new UserError(
        `Process ${holder} already runs on ${path}. Stop that one first (Ctrl-C in its terminal, or "kill ${holder}"), or start ${IS_INSTALLED ? 'in another folder' : 'from another clone'}.`,
      );
    }
    await pause(20 + Math.random() * 80);
  }
}

/** False when this very process holds the folder already. */
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
