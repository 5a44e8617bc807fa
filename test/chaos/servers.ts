import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment } from '../../src/config/settings.ts';
import { type NatsServer, natsConfig, startNatsServer } from '../../src/embedded/nats/server.ts';
import { startPostgres } from '../../src/embedded/postgres/server.ts';
import { startNatsCluster } from '../support/nats-cluster.ts';

type Say = (line: string) => void;

export interface ChaosServers {
  /** The nodes by name. A single node is `n1`. */
  readonly nodes: ReadonlyMap<string, NatsServer>;
  /** The URLs of all nodes, with commas between them. */
  readonly url: string;
  /** Restarts a node that has ended. */
  restart(name: string): Promise<void>;
  /** The folder with the log, the configuration and the streams of a node. */
  folder(name: string): string;
  /** Makes a single nats-server read this configuration. */
  reload(config: string): Promise<void>;
  stop(): Promise<void>;
}

/** @param config The configuration of a single nats-server. */
export async function startChaosNats(
  dataDir: string,
  { nodes, config }: { readonly nodes: 1 | 3; readonly config: string },
  say: Say,
): Promise<ChaosServers> {
  const common = { env: environment(), log: say, onProgress: say };
  if (nodes > 1) {
    const cluster = await startNatsCluster({ ...common, dataDir, size: nodes });
    const reload = () => Promise.reject(new Error('only a single server is reloaded'));
    return { ...cluster, reload, folder: (name: string) => join(dataDir, name) };
  }
  const start = (port: number) => startNatsServer({ ...common, dataDir, port, extraConfig: config });
  const named = new Map([['n1', await start(0)]]);
  const { url, port } = named.get('n1')!;
  return {
    nodes: named,
    url,
    folder: () => dataDir,
    async reload(changed) {
      await writeFile(join(dataDir, 'nats-server.conf'), natsConfig(dataDir, changed));
      process.kill(named.get('n1')!.pid, 'SIGHUP');
    },
    async restart() {
      await named.get('n1')!.stop();
      named.set('n1', await start(port));
    },
    stop: () => named.get('n1')!.stop(),
  };
}

export interface ChaosDatabase {
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Sends SIGSTOP to all processes of PostgreSQL. @throws an error with the code ENOENT if the system does not list them */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

export async function startChaosDatabase(dataDir: string, say: Say): Promise<ChaosDatabase> {
  const start = (port?: number) =>
    startPostgres({ dataDir, env: environment(), log: say, ...(port !== undefined && { port }) });
  let postgres = await start();
  const { url, port } = postgres;
  return {
    url,
    kill: () => postgres.kill(),
    async restart() {
      postgres = await start(port);
    },
    pause: () => signalAll(postgres.pid, 'SIGSTOP'),
    resume: () => signalAll(postgres.pid, 'SIGCONT'),
    stop: () => postgres.stop(),
  };
}

/** Signals a process and then its children, so that the process starts no further children. */
async function signalAll(pid: number, signal: NodeJS.Signals): Promise<void> {
  const childrenFile = `/proc/${pid}/task/${pid}/children`;
  await access(childrenFile);
  process.kill(pid, signal);
  const children = (await readFile(childrenFile, 'utf8')).split(' ').filter((child) => child !== '');
  for (const child of children) process.kill(Number(child), signal);
}

/** Creates a folder for the files of the servers. `remove` deletes it. */
export async function privateFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'nats-webhook-worker-chaos-'));
  // If this program runs as root, PostgreSQL runs as another user.
  await chmod(path, 0o755);
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}
