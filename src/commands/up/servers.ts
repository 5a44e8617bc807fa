import { join } from 'node:path';
import { environment, type Settings } from '../../config/settings.ts';
import { CLONE_DATA } from '../../embedded/files/running-servers.ts';
import { startNatsServer } from '../../embedded/nats/server.ts';
import { startPostgres } from '../../embedded/postgres/server.ts';
import type { Exit } from '../../embedded/process/supervised-process.ts';

/** A part that was started. Parts are stopped in reverse order. */
export type StartedPart = { readonly what: string; stop(): Promise<void> };

export type Servers = Pick<Settings, 'NATS_URL' | 'DATABASE_URL'> & {
  /** The preferred ports of the servers that `up` started. */
  readonly portsWanted: { readonly nats?: number; readonly postgres?: number };
  /** Resolves when one of the servers that `up` started has ended. */
  readonly ended: Promise<Error>;
};

const NATS_PORT = 4222;
const POSTGRES_PORT = 5432;

/**
 * Starts a real nats-server and a real PostgreSQL, but no server whose URL is set.
 *
 * @param started Gets each server as soon as the server runs.
 * @param signal Ends the wait. A server that is not ready yet ends with this process, because of its supervisor.
 */
export async function startServers(
  given: Settings,
  started: StartedPart[],
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<Servers> {
  // The search for binaries and the cache folder reads these variables. `serverEnvironment` filters those of the servers.
  const env = { ...environment(), NATS_SERVER_BIN: given.NATS_SERVER_BIN };
  const options = { env, log: print, onProgress: print };
  const starting = [
    given.isSet('NATS_URL') ? null : startNatsServer({ dataDir: join(CLONE_DATA, 'nats'), ...options }),
    given.isSet('DATABASE_URL') ? null : startPostgres({ dataDir: join(CLONE_DATA, 'postgres'), ...options }),
  ] as const;
  const names = ['nats-server', 'PostgreSQL'];
  starting.forEach((server, index) => {
    const push = ({ stop }: { stop(): Promise<void> }) => started.push({ what: names[index]!, stop });
    // A failure is thrown below.
    server?.then(push).catch(() => {});
  });
  const [nats, postgres] = await orAborted(Promise.all(starting), signal);
  return {
    NATS_URL: nats === null ? given.NATS_URL : [nats.url],
    DATABASE_URL: postgres === null ? given.DATABASE_URL : postgres.url,
    portsWanted: {
      ...(nats !== null && { nats: NATS_PORT }),
      ...(postgres !== null && { postgres: POSTGRES_PORT }),
    },
    ended: Promise.race([endOf('nats-server', nats), endOf('PostgreSQL', postgres)]),
  };
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, aborted]);
}

function endOf(name: string, server: { readonly exited: Promise<Exit> } | null): Promise<Error> {
  if (server === null) return new Promise(() => {});
  return server.exited.then(
    ({ code, signal }) =>
      new Error(
        `${name} has ended (${signal ?? `code ${code}`}). Its log is in its data folder. The data is kept for the next start.`,
      ),
  );
}
