import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HOME_FOLDER } from '../../runtime/package-root.ts';
import { isRunning, startTimeOf } from '../process/process-identity.ts';

/** Where the servers of a running `up` are reached. The URLs hold passwords. */
export type RunningServers = {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly receiverUrl: string;
  /** Empty where no port is open. */
  readonly httpUrl: string;
};

type Written = RunningServers & { readonly pid: number; readonly startTime?: string };

/** `.data/` of this clone, wherever it is called from; of an installed package, that of the working folder. */
export const CLONE_DATA = join(HOME_FOLDER, '.data');

const fileIn = (dataFolder: string) => join(dataFolder, 'servers.json');

/** Tells the other commands of this clone where the servers of this process are. Only this user can read it. */
export async function writeRunningServers(servers: RunningServers, dataFolder = CLONE_DATA): Promise<void> {
  const written: Written = { ...servers, pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
  const half = `${fileIn(dataFolder)}.${process.pid}`;
  await writeFile(half, `${JSON.stringify(written, null, 2)}\n`, { mode: 0o600 });
  await rename(half, fileIn(dataFolder));
}

/** What `writeRunningServers` wrote is no longer true. */
export async function removeRunningServers(dataFolder = CLONE_DATA): Promise<void> {
  await rm(fileIn(dataFolder), { force: true });
}

/** The servers of the `up` that runs from this clone; undefined when none does, or it is another user's. */
export function readRunningServers(dataFolder = CLONE_DATA): (RunningServers & { pid: number }) | undefined {
  const written = read(fileIn(dataFolder));
  return written !== undefined && isRunning(written.pid, written.startTime || undefined)
    ? written
    : undefined;
}

/**
 * The settings with the servers of a running `up` in place of defaults, so that lines work as they are pasted. What
 * was set stays. Only for tools: a worker delivers for the servers that it was given, and no others.
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
