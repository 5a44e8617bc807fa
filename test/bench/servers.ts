import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment, type Settings } from '../../src/config/settings.ts';
import { startNatsServer } from '../../src/embedded/nats/server.ts';
import { startPostgres } from '../../src/embedded/postgres/server.ts';

/** The servers of a bench. */
export type BenchServers = {
  readonly settings: Settings;
  /** Undefined if the bench has not started the server. */
  readonly natsPid: number | undefined;
  /** Null without a database. */
  readonly databaseUrl: string | null;
  stop(): Promise<void>;
};

/** Uses the servers of NATS_URL and DATABASE_URL if these are set. Otherwise starts servers with temporary data. */
export async function startBenchServers(
  settings: Settings,
  withDatabase: boolean,
  say: (line: string) => void,
): Promise<BenchServers> {
  const folder = await mkdtemp(join(tmpdir(), 'nats-webhook-worker-bench-'));
  // If this program runs as root, PostgreSQL runs as another user.
  await chmod(folder, 0o755);
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  const common = { env: environment(), log: say, onProgress: say };
  try {
    const nats = settings.isSet('NATS_URL')
      ? undefined
      : await startNatsServer({ ...common, dataDir: join(folder, 'nats'), port: 0 });
    if (nats !== undefined) stops.push(() => nats.stop());
    const ownDatabase = withDatabase && !settings.isSet('DATABASE_URL');
    const postgres = ownDatabase
      ? await startPostgres({ ...common, dataDir: join(folder, 'postgres'), port: 0 })
      : undefined;
    if (postgres !== undefined) stops.push(() => postgres.stop());
    return {
      settings: nats === undefined ? settings : { ...settings, NATS_URL: [nats.url] },
      natsPid: nats?.pid,
      databaseUrl: withDatabase ? (postgres?.url ?? settings.DATABASE_URL) : null,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
