import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { type NatsServer, startNatsServer } from '../../src/embedded/nats/server.ts';
import { startPostgres } from '../../src/embedded/postgres/server.ts';
import { cleanUpAfter, temporaryFolder } from './clean-up.ts';

interface Restartable {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now. */
  readonly pid: number;
  stop(): Promise<void>;
  /** With SIGKILL. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it on the same port with the same data. */
  restart(): Promise<void>;
}

export interface TestNats extends Restartable {
  /** The contents of its configuration file. */
  readonly config: string;
  /** Changes the configuration of the server that runs. A restart goes back to the first one. */
  reload(config: string): Promise<void>;
}

/**
 * A real nats-server with JetStream, of its own: it ends, and its data is removed, as `cleanUpAfter` says.
 * @param options.config contents of its configuration file: clusters, TLS, accounts, limits
 * @param options.port @default any free one
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
      await writeFile(join(dataDir, 'nats-server.conf'), changed);
      process.kill(server.pid, 'SIGHUP');
    },
  });
}

/**
 * A real PostgreSQL of its own, which tests may stop and kill. Where that is not needed,
 * `createTestDatabase` is quicker.
 */
export async function startPrivatePostgres(): Promise<Restartable> {
  const dataDir = join(await temporaryFolder(), 'postgres');
  // Without fsync it would also forget what it has committed when it is killed.
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
  /** Drops it now, clients or not; else it is dropped as `cleanUpAfter` says. */
  drop(): Promise<void>;
}

/** An empty database of its own name, in the PostgreSQL that the whole test run shares. */
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
