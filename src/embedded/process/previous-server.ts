import { readFile, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { UserError } from '../../runtime/failure.ts';
import { argumentsOf, isRunning } from './process-identity.ts';

const PATIENCE_MS = 15_000;

/**
 * Waits until a server that an earlier run left in a folder has ended: after a kill -9 its keeper is just stopping it.
 * Two servers on one folder would spoil it.
 *
 * @param pidFile where that server wrote its pid, on the first line; there need not be one
 * @param folder one of that server's arguments, by which it is told from another program that now has its pid
 * @throws UserError if it still runs after 15 s
 */
export async function awaitPreviousServer(name: string, pidFile: string, folder: string): Promise<void> {
  const firstLine = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0];
  const pid = Number(firstLine);
  if (!Number.isInteger(pid) || pid <= 1) return;
  const deadline = performance.now() + PATIENCE_MS;
  while (isServerOf(pid, folder)) {
    if (performance.now() > deadline) {
      throw new UserError(
        `${name} (process ${pid}) already works in ${folder}. Stop it first: "kill ${pid}".`,
      );
    }
    await pause(50);
  }
  // The pid now belongs to another program, which the new server must not take for the old one.
  if (isRunning(pid)) await rm(pidFile, { force: true });
}

function isServerOf(pid: number, folder: string): boolean {
  return isRunning(pid) && (argumentsOf(pid)?.includes(folder) ?? true);
}
