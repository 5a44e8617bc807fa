import { constants, existsSync } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { errorMessage, UserError } from '../../runtime/failure.ts';
import { HOME_FOLDER } from '../../runtime/package-root.ts';
import type { Environment } from '../process/executables.ts';
import { canEnter, type ServerUser } from '../process/server-user.ts';

/** The folder that root uses for servers of another user, if that user cannot enter root's own folders. */
export const SHARED_FOLDER = '/var/lib/nats-webhook-worker';

/**
 * Returns the folder for server programs, which stay there from one start to the next: `$XDG_CACHE_HOME/nats-webhook-worker`,
 * else `~/.cache/nats-webhook-worker`, else `.cache` in this clone, or in the working folder of an installed package. If `reader`
 * is given, that user can enter the folder.
 * @throws UserError if none of these folders can be written.
 */
export async function cacheFolder(env: Environment, reader?: ServerUser): Promise<string> {
  const tried: string[] = [];
  for (const folder of candidates(env, reader)) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o755 });
      await access(folder, constants.W_OK);
      if (await canEnter(folder, reader)) return folder;
    } catch (error) {
      tried.push(`  - ${folder}: ${errorMessage(error)}`);
    }
  }
  throw new UserError(
    `This user can write in no folder for server programs:\n${tried.join('\n')}\nSet XDG_CACHE_HOME to a writable folder.`,
  );
}

function* candidates({ XDG_CACHE_HOME, HOME }: Environment, reader?: ServerUser): Generator<string> {
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) yield join(XDG_CACHE_HOME, 'nats-webhook-worker');
  // The home of a service user often does not exist, and this program must not create it.
  else if (HOME && isAbsolute(HOME) && existsSync(HOME)) yield join(HOME, '.cache', 'nats-webhook-worker');
  yield join(HOME_FOLDER, '.cache');
  if (reader) yield SHARED_FOLDER;
}
