import { join } from 'node:path';
import { Header } from '../../src/core/message/nats-headers.ts';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { connectToNats } from '../../src/nats/connection/connection.ts';
import { createPublisher } from '../../src/nats/publishing/publisher.ts';
import { ensureStream } from '../../src/nats/streams/stream.ts';
import { defaultWebhookStream } from '../../src/nats/streams/stream-config.ts';
import { type Evidence, openEvidence } from './evidence.ts';
import { type Flow, healthyOnly } from './flows.ts';
import { type ChaosLoad, type ChaosMessage, startChaosLoad } from './load.ts';
import { type ChaosQueue, chaosQueue, STREAM } from './queue.ts';
import { settle } from './run.ts';
import {
  type ChaosDatabase,
  type ChaosServers,
  privateFolder,
  startChaosDatabase,
  startChaosNats,
} from './servers.ts';
import { type ChaosWorker, makeWorker, type WorkerSettings, workerSettings } from './workers.ts';

/** How long the load tries to store a message, in milliseconds. A message without a confirmation does not count afterwards. */
const PUBLISH_FOR_MS = 5000;

/** Lost connections are part of the faults, and are not logged. */
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

/** The servers, settings and endpoints for a fault. */
export type SceneOptions = {
  /** The number of nats-servers. @default 1 */
  readonly nodes?: 1 | 3;
  /** The configuration of a single nats-server. */
  readonly config?: string;
  /** True to start a PostgreSQL. @default false: the workers' DATABASE_URL leads nowhere */
  readonly database?: boolean;
  /** Further settings of the workers. */
  readonly settings?: WorkerSettings;
  /** What is published. @default all messages go to a healthy endpoint */
  readonly flows?: readonly Flow[];
  /** Modules that node loads before the program of the workers. @default none */
  readonly workerImports?: readonly string[];
};

/** Real servers, two workers and a load, for one fault. */
export interface ChaosScene extends Omit<ChaosServers, 'url' | 'stop'> {
  readonly client: NatsClient;
  readonly load: ChaosLoad;
  readonly queue: ChaosQueue;
  readonly evidence: Evidence;
  readonly workers: readonly ChaosWorker[];
  readonly database: ChaosDatabase | null;
  /** Rejects when a worker ends although nobody has stopped it. */
  readonly failed: Promise<never>;
  /** Publishes no more until `load.resume`. Resolves when every message is settled. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export type SceneRun = {
  /** Messages per second of each flow. */
  readonly rate: number;
  /** The folder of the evidence. Undefined: a private one, which is removed. */
  readonly keepIn: string | undefined;
  /** When all waits end, on the clock of `performance.now()`. */
  readonly givesUpAt: number;
  readonly say: (line: string) => void;
};

export async function openChaosScene(
  options: SceneOptions,
  { rate, keepIn, givesUpAt, say }: SceneRun,
): Promise<ChaosScene> {
  const { nodes = 1, config = '', flows = healthyOnly, workerImports: imports = [] } = options;
  const settings = workerSettings(options.settings ?? {});
  const folder = await privateFolder();
  const stops: (() => Promise<unknown>)[] = [folder.remove];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  try {
    const database =
      options.database === true ? await startChaosDatabase(join(folder.path, 'postgres'), say) : null;
    stops.push(async () => database?.stop());
    const servers = await startChaosNats(join(folder.path, 'nats'), { nodes, config }, say);
    stops.push(servers.stop);
    const client = await connectToNats({ servers: servers.url.split(','), name: 'chaos', log: SILENT });
    stops.push(() => client.close());
    await ensureStream(client, { ...defaultWebhookStream(STREAM, ['webhooks.*']), replicas: nodes });
    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    failed.catch(() => {});
    const workers = ['worker-1', 'worker-2'].map((name) =>
      makeWorker({
        name,
        folder: folder.path,
        natsUrl: servers.url,
        databaseUrl: database?.url,
        settings,
        imports,
        failed: fail,
      }),
    );
    stops.push(() => Promise.all(workers.map((worker) => worker.kill())));
    await Promise.race([Promise.all(workers.map((worker) => worker.start())), failed]);
    const publisher = createPublisher(client, { maxInFlight: 1000, retryForMs: PUBLISH_FOR_MS });
    const publish = async ({ id, subject, url, body, notBefore }: ChaosMessage) => {
      const data = Buffer.from(JSON.stringify({ webhook_url: url, data: body }));
      const result = await publisher.publish(subject, data, {
        [Header.messageId]: id,
        ...(notBefore !== undefined && { [Header.deliverAt]: new Date(notBefore).toISOString() }),
      });
      return 'stored' in result ? { stream: result.stored.stream, sequence: result.stored.sequence } : null;
    };
    const evidence = await openEvidence(keepIn ?? join(folder.path, 'evidence'));
    const maxAttempts = Number(settings.MAX_ATTEMPTS);
    const load = await startChaosLoad(publish, { flows, rate, maxAttempts, evidence, givesUpAt });
    stops.push(() => load.stop());
    const queue = chaosQueue(client, evidence);
    const settled = async () => void (await settle(load, queue, givesUpAt, { losesMessages: false }));
    return { ...servers, client, load, queue, evidence, workers, database, failed, settled, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
