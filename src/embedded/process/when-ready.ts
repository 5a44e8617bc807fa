import { setTimeout as pause } from 'node:timers/promises';
import { UserError } from '../../runtime/failure.ts';
import { announceIfSlow, type Say } from '../progress.ts';
import type { SupervisedProcess } from './supervised-process.ts';

/**
 * How long a server may take to be ready, in milliseconds. Long, because a server first recovers its data. A server that fails
 * ends earlier, which is noticed at once.
 */
const PATIENCE_MS = 120_000;

/**
 * Polls `check` until it returns a result.
 * @param explain may turn the last lines of the log into an error with a cure
 * @throws UserError with the last lines of the log if the server ends early, or is not ready after two minutes. Then the server
 * is stopped.
 */
export async function whenReady<T>(
  name: string,
  server: SupervisedProcess,
  check: () => Promise<T | undefined>,
  onProgress: Say | undefined,
  explain: (logTail: string) => UserError | undefined,
): Promise<T> {
  let ended = false;
  server.exited.then(() => {
    ended = true;
  });
  const deadline = performance.now() + PATIENCE_MS;
  const poll = async () => {
    for (;;) {
      const result = await check();
      if (result !== undefined) return result;
      if (ended || performance.now() > deadline) return undefined;
      await Promise.race([server.exited, pause(20)]);
    }
  };
  const result = await announceIfSlow(`Waiting for ${name} to be ready …`, onProgress, poll).catch(
    async (error) => {
      await server.stop();
      throw error;
    },
  );
  if (result !== undefined) return result;
  const what = ended ? 'ended before it was ready' : 'is not ready after two minutes';
  await server.stop();
  const logTail = await server.logTail();
  throw explain(logTail) ?? new UserError(`${name} ${what}. Its log ends with:\n${logTail}`);
}
