import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { type NatsServer, natsConfig, startNatsServer } from '../../src/embedded/nats/server.ts';
import { startPostgres } from '../../src/embedded/postgres/server.ts';
import { cleanUpAfter, temporaryFolder } from './clean-up.ts';

interface Restartable {
  readonly url: string;
  readonly port: number;
  /** The pid of the current process. */
  readonly pid: number;
  stop(): Promise<void>;
  /** Ends the server with SIGKILL. */
  kill(): Promise<void>;
  /** Stops the server if it runs, and starts it on the same port with the same data. */
  restart(): Promise<void>;
}

export interface TestNats extends Restartable {
  /** The contents of the server's configuration file. */
  readonly config: string;
  /** Changes the configuration of the running server. A restart uses the first configuration again. */
  reload(config: string): Promise<void>;
}

/**
 * Starts a real nats-server with JetStream. `cleanUpAfter` stops it and removes its data.
 * @param options.config The contents of its configuration file: clusters, TLS, accounts, limits.
 * @param options.port @default any free port
 */
export async function startTestNats(options: { config?: string; port?: number } = {}): Promise<TestNats> {
  const { config = '' } = options;
  const dataDir = await temporaryFolder();
  const start = (port: number): Promise<NatsServer> =>
    startNatsServer({ dataDir, port, extraConfig: config, env: process.env, log: console.log });
  const server = await restartable(start, options.port ?? 0);
  return Object.assign(server, {
    config,
    async reload(changed: string) {
      await writeFile(join(dataDir, 'nats-server.conf'), natsConfig(dataDir, changed));
      process.kill(server.pid, 'SIGHUP');
    },
  });
}

/**
 * Starts a real PostgreSQL that a test may stop and kill. `createTestDatabase` is faster for tests that need
 * neither.
 */
export async function startPrivatePostgres(): Promise<Restartable> {
  const dataDir = join(await temporaryFolder(), 'postgres');
  // fsync stays on: without it, PostgreSQL loses committed data when it is killed.
  return restartable((port) => startPostgres({ dataDir, port, env: process.env, log: console.log }), 0);
}

type Server = Pick<NatsServer, 'url' | 'port' | 'pid' | 'stop' | 'kill'>;

async function restartable(
  start: (port: number) => Promise<Server>,
  firstPort: number,
): Promise<Restartable> {
  let server = await start(firstPort);
  const { url, port } = server;
  cleanUpAfter(() => server.stop());
  return {
    url,
    port,
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
    async restart() {
      await server.stop();
      server = await start(port);
    },
  };
}

export interface TestDatabase {
  readonly url: string;
  /** Drops the database now, even with clients connected. Otherwise `cleanUpAfter` drops it. */
  drop(): Promise<void>;
}

/** A new empty database in the PostgreSQL that the whole test run shares. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(`CREATE DATABASE ${name}`);
  const drop = () => administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  cleanUpAfter(drop);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  return { url: url.href, drop };
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
