import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { environment } from '../config/settings.ts';
import { startNatsCluster } from '../embedded/nats-cluster.ts';
import { type NatsServer, startNatsServer } from '../embedded/nats-server.ts';
import { startPostgres } from '../embedded/postgres.ts';
import { type BenchProcess, startBenchProcess } from '../load/bench-process.ts';
import { type FaultLoad, startFaultLoad } from '../load/fault-load.ts';
import type { NatsClient } from '../nats/client.ts';
import { connectToNats } from '../nats/connection.ts';
import { groupInfo } from '../nats/group-info.ts';
import { createPublisher } from '../nats/publisher.ts';
import { durableStream, ensureStream } from '../nats/stream.ts';
import { UserError } from '../runtime/failure.ts';

export const STREAM = 'WEBHOOKS';
export const DURABLE = 'webhook-workers';
/** Of the workers here, in milliseconds. The default, a minute, would only make the run longer. */
export const ACK_WAIT_MS = 5000;
const ATTEMPT_TIMEOUT_MS = 2000;
/** More than enough for hand-outs that were lost to come again, in milliseconds. */
const PATIENCE_MS = 60_000;
/** How long a message is tried to be stored, in milliseconds. One that is not confirmed then does not count. */
const PUBLISH_FOR_MS = 5000;

/** That servers go and come is what is measured here. */
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

/** Real servers, two workers and a load, for one fault. */
export interface FaultScene {
  readonly client: NatsClient;
  readonly load: FaultLoad;
  readonly workers: readonly BenchProcess[];
  /** By name; a single one is `n1`. */
  readonly nodes: ReadonlyMap<string, NatsServer>;
  /** Resolves when no message waits for the workers. */
  drained(): Promise<void>;
  /** Starts a node again that has ended. */
  restart(name: string): Promise<void>;
  /** The folder of a node: its log, its configuration, its streams. */
  folder(name: string): string;
  /** Makes a single server read this configuration. */
  reload(config: string): Promise<void>;
  stop(): Promise<void>;
}

export type FaultSceneOptions = {
  /** 1 or 3. */
  readonly nodes: number;
  /** Of a single server. */
  readonly config?: string;
  readonly databaseUrl?: string;
  readonly say: (line: string) => void;
};

export async function openFaultScene(options: FaultSceneOptions): Promise<FaultScene> {
  const folder = await mkdtemp(join(tmpdir(), 'nats-webhook-worker-faults-'));
  const stops: (() => Promise<unknown>)[] = [
    () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  ];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  try {
    const servers = await startServers(folder, options);
    stops.push(servers.stop);
    const client = await connectToNats({ servers: servers.url.split(','), name: 'faults', log: SILENT });
    stops.push(() => client.close());
    await ensureStream(client, {
      ...durableStream(STREAM, ['webhooks.*']),
      replicas: options.nodes === 1 ? 1 : 3,
    });
    const workers = ['worker-1', 'worker-2'].map((name) =>
      startWorker(name, servers.url, options.databaseUrl),
    );
    stops.push(() => Promise.all(workers.map((worker) => worker.stop())));
    const publisher = createPublisher(client, { maxInFlight: 1000, retryForMs: PUBLISH_FOR_MS });
    const load = await startFaultLoad(async (id, url) => {
      const data = Buffer.from(JSON.stringify({ webhook_url: url }));
      return 'stored' in (await publisher.publish('webhooks.load', data, { 'Nats-Msg-Id': id }));
    }, 'load');
    stops.push(() => load.stop());
    const drained = async () => {
      const givesUpAt = performance.now() + PATIENCE_MS;
      for (;;) {
        // Not the stream's own count: after a full disk, nats-server may keep messages that the durable has acked.
        const info = await groupInfo(client, STREAM, DURABLE).catch(() => null);
        if (info !== null && info.pending + info.ackPending === 0) return;
        if (performance.now() > givesUpAt) throw new UserError('Messages still wait after 60 s: gave up.');
        await wait(100);
      }
    };
    return { ...servers, client, load, workers, drained, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startServers(folder: string, { nodes, config = '', say }: FaultSceneOptions) {
  const common = { env: environment(), log: say, onProgress: say };
  if (nodes > 1) {
    const cluster = await startNatsCluster({ ...common, dataDir: folder, size: nodes });
    const reload = () => Promise.reject(new Error('only a single server is reloaded'));
    return { ...cluster, reload, folder: (name: string) => join(folder, name) };
  }
  const dataDir = join(folder, 'n1');
  const start = (port: number) => startNatsServer({ ...common, dataDir, port, extraConfig: config });
  const named = new Map([['n1', await start(0)]]);
  const { url, port } = named.get('n1')!;
  return {
    nodes: named,
    url,
    folder: () => dataDir,
    async reload(changed: string) {
      await writeFile(join(dataDir, 'nats-server.conf'), changed);
      process.kill(named.get('n1')!.pid, 'SIGHUP');
    },
    async restart() {
      await named.get('n1')!.stop();
      named.set('n1', await start(port));
    },
    stop: () => named.get('n1')!.stop(),
  };
}

/** A PostgreSQL with data that is thrown away. */
export async function startFaultDatabase(say: (line: string) => void) {
  const folder = await mkdtemp(join(tmpdir(), 'nats-webhook-worker-faults-'));
  // PostgreSQL runs as another user where we are root.
  await chmod(folder, 0o755);
  const start = (port?: number) =>
    startPostgres({
      dataDir: join(folder, 'postgres'),
      env: environment(),
      log: say,
      ...(port !== undefined && { port }),
    });
  let postgres = await start();
  const { url, port } = postgres;
  return {
    url,
    kill: () => postgres.kill(),
    async restart() {
      postgres = await start(port);
    },
    async stop() {
      await postgres.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function startWorker(name: string, url: string, databaseUrl = 'postgresql://127.0.0.1:1/none'): BenchProcess {
  const { PATH, HOME, TZ } = environment();
  return startBenchProcess(name, new URL('../main.js', import.meta.url), ['worker'], {
    PATH,
    HOME,
    TZ,
    NATS_URL: url,
    DATABASE_URL: databaseUrl,
    CONSUMER_NAME: name,
    ACK_WAIT_MS: String(ACK_WAIT_MS),
    ATTEMPT_TIMEOUT_MS: String(ATTEMPT_TIMEOUT_MS),
    ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
    HTTP_PORT: '0',
    LOG_FORMAT: 'json',
  });
}
