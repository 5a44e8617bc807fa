import { constants, existsSync } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { errorMessage, UserError } from '../../runtime/failure.ts';
import { HOME_FOLDER } from '../../runtime/package-root.ts';
import type { Environment } from '../process/executables.ts';
import { canEnter, type ServerUser } from '../process/server-user.ts';

/** What root keeps for servers that run as another user, when its own folders are closed to that user. */
export const SHARED_FOLDER = '/var/lib/nats-webhook-worker';

/**
 * The folder for server programs, kept from one start to the next: `$XDG_CACHE_HOME/nats-webhook-worker`, else
 * `~/.cache/nats-webhook-worker`, else `.cache` in this clone, or in the
 * working folder of an installed package; one that `reader`, if given, may enter.
 * @throws UserError if none can be written.
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
    `No folder can be written to keep server programs in:\n${tried.join('\n')}\nSet XDG_CACHE_HOME to one that can.`,
  );
}

function* candidates({ XDG_CACHE_HOME, HOME }: Environment, reader?: ServerUser): Generator<string> {
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) yield join(XDG_CACHE_HOME, 'nats-webhook-worker');
  // The users of services often have a home that is not there; it is not for us to make one.
  else if (HOME && isAbsolute(HOME) && existsSync(HOME)) yield join(HOME, '.cache', 'nats-webhook-worker');
  yield join(HOME_FOLDER, '.cache');
  if (reader) yield SHARED_FOLDER;
}
