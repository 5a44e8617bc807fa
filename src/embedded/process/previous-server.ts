import { readFile, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { UserError } from '../../runtime/failure.ts';
import { argumentsOf, isRunning } from './process-identity.ts';

const PATIENCE_MS = 15_000;

/**
 * Waits until the server of an earlier run has left its folder: after a kill -9 of this program, the supervisor needs a moment to
 * stop the server. Two servers on one folder would destroy the data.
 *
 * @param pidFile holds that server's pid on its first line; the file may be missing
 * @param folder one of that server's arguments, which tells the server from another program that now has its pid
 * @throws UserError if the server still runs after 15 s
 */
export async function awaitPreviousServer(name: string, pidFile: string, folder: string): Promise<void> {
  const firstLine = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0];
  const pid = Number(firstLine);
  if (!Number.isInteger(pid) || pid <= 1) return;
  const deadline = performance.now() + PATIENCE_MS;
  while (isServerOf(pid, folder)) {
    if (performance.now() > deadline) {
      throw new UserError(
        `${name} (process ${pid}) already runs in ${folder}. Stop that server first: "kill ${pid}".`,
      );
    }
    await pause(50);
  }
  // The pid now belongs to another program. The new server must not mistake that program for the old server.
  if (isRunning(pid)) await rm(pidFile, { force: true });
}

function isServerOf(pid: number, folder: string): boolean {
  return isRunning(pid) && (argumentsOf(pid)?.includes(folder) ?? true);
}
