import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Settings } from '../../../src/config/settings.ts';
import { connectToNats } from '../../../src/nats/connection/connection.ts';
import {
  type ChaosDatabase,
  privateFolder,
  startChaosDatabase,
  startChaosNats,
} from '../../chaos/servers.ts';
import { type BenchEndpoint, startBenchEndpoint } from '../endpoint.ts';
import type { BenchProcess } from '../process.ts';
import { makeBenchQueue } from '../queue.ts';
import { ourWorker } from '../variants.ts';
import { publishBatch } from './publish-batch.ts';
import type { MemoryRow } from './report.ts';
import { watchMemory } from './watch.ts';

/** The rows of statistics have this stream name. */
export const STREAM = 'WEBHOOKS';
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
const LOOK_EVERY_MS = 100;

/** Real servers in a new folder, and one worker. */
export interface MemoryScene {
  readonly database: ChaosDatabase;
  startWorker(): void;
  /** @param status The status of every answer. @default 200 */
  startEndpoint(delayMs: number, status?: number): Promise<BenchEndpoint>;
  /** Stores small messages. Resolves when NATS has confirmed all of them. */
  publish(count: number, urlOf: (number: number) => string): Promise<void>;
  /** Resolves when the stream is empty: every message is delivered, dead-lettered or parked. */
  allSettled(): Promise<void>;
  /** The number of parked messages. */
  parked(): Promise<number>;
  /** Measures the memory while `work` runs, or for `work` seconds. */
  watch(what: string, work: (() => Promise<void>) | number): Promise<void>;
  readonly rows: readonly MemoryRow[];
  /** Rejects when the worker ends although nobody has stopped it. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

export async function openMemoryScene(
  { CONCURRENCY, ACK_WAIT_MS }: Settings,
  say: (line: string) => void,
): Promise<MemoryScene> {
  const folder = await privateFolder();
  const stops: (() => Promise<unknown>)[] = [folder.remove];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  try {
    const database = await startChaosDatabase(join(folder.path, 'postgres'), say);
    stops.push(database.stop);
    const nats = await startChaosNats(join(folder.path, 'nats'), { nodes: 1, config: '' }, say);
    stops.push(nats.stop);
    const client = await connectToNats({ servers: [nats.url], name: 'bench-memory', log: SILENT });
    stops.push(client.close);
    const queue = await makeBenchQueue(client, STREAM, ACK_WAIT_MS);
    const rows: MemoryRow[] = [];
    let worker: BenchProcess | undefined;
    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    failed.catch(() => {});
    return {
      database,
      rows,
      failed,
      stop,
      startWorker() {
        worker = ourWorker('all').start(
          {
            servers: [nats.url],
            user: undefined,
            pass: undefined,
            stream: STREAM,
            durable: queue.durable,
            concurrency: CONCURRENCY,
            url: '',
            idPrefix: '',
          },
          database.url,
        );
        worker.failed.catch(fail);
        stops.push(worker.stop);
      },
      async startEndpoint(delayMs, status) {
        const endpoint = await startBenchEndpoint(delayMs, status);
        stops.push(endpoint.stop);
        return endpoint;
      },
      publish(count, urlOf) {
        const dataOf = (number: number) =>
          Buffer.from(`{"webhook_url":"${urlOf(number)}","data":{"number":${number}}}`);
        return publishBatch({ connection: client.connection, subject: `${STREAM}.hook`, count, dataOf });
      },
      async allSettled() {
        while (!(await queue.isSettled())) await wait(LOOK_EVERY_MS);
      },
      parked: async () => (await client.manager.streams.info(`${STREAM}_PARKED`)).state.messages,
      async watch(what, work) {
        say(`  ${what}`);
        const working = typeof work === 'number' ? () => wait(1000 * work) : work;
        const [ours, servers] = await watchMemory([worker!.pid, nats.nodes.get('n1')!.pid], working);
        rows.push(
          { what, process: 'worker', course: ours! },
          { what: '', process: 'nats-server', course: servers! },
        );
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
