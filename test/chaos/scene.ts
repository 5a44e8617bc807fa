import { join } from 'node:path';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { connectToNats } from '../../src/nats/connection/connection.ts';
import { ensureStream } from '../../src/nats/streams/stream.ts';
import { defaultWebhookStream } from '../../src/nats/streams/stream-config.ts';
import { type Evidence, openEvidence } from './evidence.ts';
import { type Flow, healthyOnly } from './flows.ts';
import { type ChaosLoad, startChaosLoad } from './load.ts';
import { makeProducers, type Way } from './producers.ts';
import { type ChaosProgram, makeProgram, type ProgramOptions, type ProgramSettings } from './programs.ts';
import { type ChaosQueue, chaosQueue, STREAM } from './queue.ts';
import { settle } from './run.ts';
import {
  type ChaosDatabase,
  type ChaosServers,
  privateFolder,
  startChaosDatabase,
  startChaosNats,
} from './servers.ts';
import { workerSettings } from './worker-settings.ts';

const NO_DATABASE = 'postgresql://127.0.0.1:1/none';

/** Lost connections are part of the faults, and are not logged. */
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

/** The servers, settings and endpoints for a fault. */
export type SceneOptions = {
  /** The number of nats-servers. @default 1 */
  readonly nodes?: 1 | 3;
  /** The configuration of a single nats-server. */
  readonly config?: string;
  /** True to start a PostgreSQL. @default true if messages do not go to NATS at once; else the workers' DATABASE_URL leads nowhere */
  readonly database?: boolean;
  /** How messages get into the stream. Other flows than healthy ones, and later ones, only by `nats`. @default 'nats' */
  readonly by?: Way;
  /** Messages per second of each flow. @default the rate of the run */
  readonly rate?: number;
  /** Further settings of the workers. */
  readonly settings?: ProgramSettings;
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
  readonly workers: readonly ChaosProgram[];
  /** What stands between the load and NATS. */
  readonly producers: readonly ChaosProgram[];
  readonly database: ChaosDatabase | null;
  /** Rejects when a program ends although nobody has stopped it. */
  readonly failed: Promise<never>;
  /** Publishes no more until `load.resume`. Resolves when every message is settled. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export type SceneRun = {
  /** Decides which transactions are rolled back. */
  readonly seed: number;
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
  { seed, keepIn, givesUpAt, say, ...run }: SceneRun,
): Promise<ChaosScene> {
  const { nodes = 1, config = '', flows = healthyOnly, workerImports: imports = [], by = 'nats' } = options;
  const rate = options.rate ?? run.rate;
  const settings = workerSettings(options.settings ?? {});
  const folder = await privateFolder();
  const stops: (() => Promise<unknown>)[] = [folder.remove];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  try {
    const hasDatabase = options.database ?? by !== 'nats';
    const database = hasDatabase ? await startChaosDatabase(join(folder.path, 'postgres'), say) : null;
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
    const make = (program: Pick<ProgramOptions, 'command' | 'name' | 'settings' | 'imports'>) =>
      makeProgram({
        ...program,
        folder: folder.path,
        settings: {
          NATS_URL: servers.url,
          DATABASE_URL: database?.url ?? NO_DATABASE,
          CONSUMER_NAME: program.name,
          ...program.settings,
        },
        failed: fail,
      });
    const workers = ['worker-1', 'worker-2'].map((name) =>
      make({ command: 'worker', name, settings, imports }),
    );
    const producers = await makeProducers(by, { client, database, make, seed, givesUpAt, failed: fail });
    stops.push(producers.close);
    const programs = [...workers, ...producers.programs];
    stops.push(() => Promise.all(programs.map((program) => program.kill())));
    await Promise.race([Promise.all(programs.map((program) => program.start())), failed]);
    const evidence = await openEvidence(keepIn ?? join(folder.path, 'evidence'));
    const maxAttempts = Number(settings.MAX_ATTEMPTS);
    const load = await startChaosLoad(producers.publish, { flows, rate, maxAttempts, evidence, givesUpAt });
    stops.push(() => load.stop());
    const queue = chaosQueue(client, evidence);
    const settled = async () => void (await settle(load, queue, givesUpAt, { losesMessages: false }));
    return {
      ...servers,
      client,
      load,
      queue,
      evidence,
      workers,
      producers: producers.programs,
      database,
      failed,
      settled,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
