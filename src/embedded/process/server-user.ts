import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../../runtime/failure.ts';

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** The user `nobody`, as a number, because the system may have no entry for it. */
const NOBODY: ServerUser = { uid: 65_534, gid: 65_534 };

/** The user for a server that refuses to run as root. Undefined (the user of this process) unless this process runs as root. */
export function unprivilegedUser(): ServerUser | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

/** True if `user` may enter `path`, or the existing part of `path`. Always true if `user` is undefined, the own user. */
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
