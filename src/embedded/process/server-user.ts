import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../../runtime/failure.ts';

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** The user `nobody`, by number: there need be no entry for it. */
const NOBODY: ServerUser = { uid: 65_534, gid: 65_534 };

/** Who runs a server that refuses to run as root: undefined (we ourselves) unless we are root. */
export function unprivilegedUser(): ServerUser | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

/** Whether `user` may enter `path`, or where it does not exist yet the part of it that does. Always true for ourselves. */
export async function canEnter(path: string, user: ServerUser | undefined): Promise<boolean> {
  if (user === undefined) return true;
  for (let folder = await existingPart(path); ; folder = dirname(folder)) {
    const { mode, uid, gid } = await stat(folder);
    const mayEnter = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & mayEnter) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

async function existingPart(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return existingPart(dirname(path));
  }
}
