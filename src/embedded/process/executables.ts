import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { ServerUser } from './server-user.ts';

/** A process environment. The caller passes it in, because only src/config reads `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the path of a program on PATH, with links resolved. Undefined if the program is not on PATH. */
export async function findOnPath(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return await realpath(path);
    } catch {}
  }
  return undefined;
}

/** A version as `[major, minor, patch]`. A missing part is 0. */
export type Version = readonly [major: number, minor: number, patch: number];

/**
 * Runs `<program> --version`, which also proves that the program is complete and runs on this machine.
 * @returns the version, or one line that says what is wrong.
 */
export async function versionOf(program: string, user?: ServerUser): Promise<Version | string> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], {
      cwd: '/',
      timeout: 20_000,
      ...user,
    });
    const [, major, minor, patch] = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(stdout) ?? [];
    if (major === undefined) return `it does not print its version: ${firstLine(stdout)}`;
    return [Number(major), Number(minor ?? 0), Number(patch ?? 0)];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'it does not exist';
    const said = (error as { stderr?: string }).stderr;
    return `it does not run: ${firstLine(said || errorMessage(error))}`;
  }
}

export function isAtLeast(version: Version, required: Version): boolean {
  const difference = version.map((part, index) => part - (required[index] ?? 0)).find((part) => part !== 0);
  return (difference ?? 0) >= 0;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
