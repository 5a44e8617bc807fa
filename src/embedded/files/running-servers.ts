import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HOME_FOLDER } from '../../runtime/package-root.ts';
import { isRunning, startTimeOf } from '../process/process-identity.ts';

/** The URLs of the servers of a running `up`. They hold passwords. */
export type RunningServers = {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly receiverUrl: string;
  /** Empty if no HTTP port is open. */
  readonly httpUrl: string;
};

type Written = RunningServers & { readonly pid: number; readonly startTime?: string };

/** `.data/` of this clone, whatever the working folder is. For an installed package: `.data/` of the working folder. */
export const CLONE_DATA = join(HOME_FOLDER, '.data');

const fileIn = (dataFolder: string) => join(dataFolder, 'servers.json');

/** Writes the URLs of this process's servers for the other commands of this clone. Only this user can read the file. */
export async function writeRunningServers(servers: RunningServers, dataFolder = CLONE_DATA): Promise<void> {
  const written: Written = { ...servers, pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
  const half = `${fileIn(dataFolder)}.${process.pid}`;
  await writeFile(half, `${JSON.stringify(written, null, 2)}\n`, { mode: 0o600 });
  await rename(half, fileIn(dataFolder));
}

/** Removes the file of `writeRunningServers`, when the servers stop. */
export async function removeRunningServers(dataFolder = CLONE_DATA): Promise<void> {
  await rm(fileIn(dataFolder), { force: true });
}

/** The servers of the `up` that runs from this clone. Undefined if none runs, or if another user runs it. */
export function readRunningServers(dataFolder = CLONE_DATA): (RunningServers & { pid: number }) | undefined {
  const written = read(fileIn(dataFolder));
  return written !== undefined && isRunning(written.pid, written.startTime || undefined)
    ? written
    : undefined;
}

/**
 * Returns the settings with the servers of a running `up` in place of the default URLs, so that pasted commands work. URLs that
 * are set stay. Only for tools: a worker uses only the servers of its settings.
 */
export function withRunningServers<
  S extends {
    readonly NATS_URL: readonly string[];
    readonly DATABASE_URL: string;
    readonly isSet: (name: 'NATS_URL' | 'DATABASE_URL') => boolean;
  },
>(settings: S, dataFolder = CLONE_DATA): S {
  const servers = readRunningServers(dataFolder);
  if (servers === undefined) return settings;
  return {
    ...settings,
    NATS_URL: settings.isSet('NATS_URL') ? settings.NATS_URL : [servers.natsUrl],
    DATABASE_URL: settings.isSet('DATABASE_URL') ? settings.DATABASE_URL : servers.databaseUrl,
  };
}

function read(file: string): Written | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Written;
  } catch {
    return undefined;
  }
}
